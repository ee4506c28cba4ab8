"use strict";
// The one-time code stands behind the #, which no server and no log ever sees.
const given = new URLSearchParams(location.hash.slice(1));
history.replaceState(null, "", location.pathname + location.search);
const form = document.getElementById("welcome");
const said = document.getElementById("said");
form.user.value = given.get("user") || "";

async function post(path, body, token) {
  const headers = { "content-type": "application/json", accept: "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  if (answer.status === 204) return {};
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error.message);
  return found;
}

let token = null;
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (form.password.value !== form.again.value) {
    said.textContent = "The two are not the same.";
    form.again.focus();
    return;
  }
  try {
    // A code is good once: what it opened is kept while the password is chosen.
    token ||= (await post("/v1/tokens", { grant: "code", user: form.user.value, code: given.get("code") || "" })).access_token;
    await post("/v1/password", { new_password: form.password.value }, token);
    form.hidden = true;
    said.textContent = `Your password is set, ${form.user.value}. Log in with: recordroom login ${location.origin}`;
  } catch (error) {
    said.textContent = error.message;
  }
});
