"use strict";
// The one-time code stands behind the #, which no server and no log ever sees.
const given = new URLSearchParams(location.hash.slice(1));
history.replaceState(null, "", location.pathname + location.search);
const form = document.getElementById("welcome");
const said = document.getElementById("said");
form.user.value = given.get("user") || "";

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (form.password.value !== form.again.value) {
    said.textContent = "The two are not the same.";
    form.again.focus();
    return;
  }
  const body = { grant: "code", code: given.get("code") || "", new_password: form.password.value };
  try {
    const headers = { "content-type": "application/json", accept: "application/json" };
    const answer = await fetch("/v1/tokens", { method: "POST", headers, body: JSON.stringify(body) });
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error.message);
    form.hidden = true;
    said.textContent = `Your password is set, ${found.user}. Log in with: recordroom login ${location.origin}`;
  } catch (error) {
    said.textContent = error.message;
  }
});
