"""Readers: what each format gives, and what each says about a file that is not what it should be."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from recordroom.client.rows.files import FORMATS, Source, TextOptions, format_of
from recordroom.client.rows.readers import Rows, open_reader
from recordroom.errors import Error, ImportFailed


def read(given: Any, size: int | None = 100, *, format: str | None = None, **options: Any) -> list[Rows]:
    with ExitStack() as stack:
        reader = open_reader(Source(given), stack, format, TextOptions(**options))
        return list(reader.rows(size))


def written(folder: Path, text: str | bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def failure(given: Any, **options: Any) -> ImportFailed:
    with pytest.raises(ImportFailed) as caught:
        read(given, **options)
    return caught.value


# --- CSV ---


def test_csv_gives_columns_of_text_with_the_line_of_each_row(tmp_path: Path) -> None:
    [rows] = read(written(tmp_path, "code,name\nAA,American\nB6,JetBlue\n"))

    assert rows.columns == {"code": ("AA", "B6"), "name": ("American", "JetBlue")}
    assert rows.lines == [2, 3]


def test_a_row_is_at_the_line_where_it_begins_even_after_fields_of_many_lines(tmp_path: Path) -> None:
    [rows] = read(written(tmp_path, 'a,b\n1,"x\ny\nz"\n2,w\n\n\n3,v\n'))

    assert rows.columns["b"] == ("x\ny\nz", "w", "v")
    assert rows.lines == [2, 5, 8]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_read(tmp_path: Path, ending: str) -> None:
    [rows] = read(written(tmp_path, ending.join(["a,b", "1,2", "3,4"])))

    assert rows.columns == {"a": ("1", "3"), "b": ("2", "4")}
    assert rows.lines == [2, 3]


def test_batches_have_the_size_asked_for_and_lines_go_on(tmp_path: Path) -> None:
    path = written(tmp_path, "a\n" + "\n".join(map(str, range(7))))

    batches = read(path, 3)

    assert [list(batch.lines) for batch in batches] == [[2, 3, 4], [5, 6, 7], [8]]
    assert [len(batch.lines) for batch in read(path, None)] == [7]


def test_a_row_with_too_few_or_too_many_fields_is_at_fault_and_the_others_are_not(tmp_path: Path) -> None:
    [rows] = read(written(tmp_path, "a,b\n1,2\n3\n4,5,6\n7,8\n"))

    assert rows.faults == {1: "2 fields, found 1", 2: "2 fields, found 3: too many are '6'"}
    assert rows.columns == {"a": ("1", "3", "4", "7"), "b": ("2", "", "5", "8")}


def test_text_after_a_closing_quote_is_the_fault_of_its_row(tmp_path: Path) -> None:
    [rows] = read(written(tmp_path, 'a,b\n1,"2"x\n3,4\n'))

    assert rows.faults == {0: "a delimiter after the closing quote"}
    assert rows.columns["a"][1] == "3"
    assert rows.lines == [2, 3]


def test_a_quote_that_never_closes_names_the_line_where_it_opens(tmp_path: Path) -> None:
    error = failure(written(tmp_path, 'a,b\n1,2\n3,"4\n5,6\n7,8\n'))

    assert error.line == 3
    assert "closing quote" in error.message


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    assert failure(written(tmp_path, "a,b,a\n1,2,3\n")).column == "a"


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    assert "empty" in failure(written(tmp_path, "")).message
    assert "empty" in failure(written(tmp_path, "\n\n")).message


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    assert read(written(tmp_path, "a,b\n")) == []


def test_without_a_header_columns_are_called_by_number(tmp_path: Path) -> None:
    [rows] = read(written(tmp_path, "1,2\n3,4\n"), header=False)

    assert rows.columns == {"1": ("1", "3"), "2": ("2", "4")}
    assert rows.lines == [1, 2]


def test_delimiters_are_as_said_and_tabs_for_tsv(tmp_path: Path) -> None:
    assert read(written(tmp_path, "a;b\n1;2\n"), delimiter=";")[0].columns == {"a": ("1",), "b": ("2",)}
    assert read(written(tmp_path, "a\tb\n1\t2\n", "rows.tsv"))[0].columns == {"a": ("1",), "b": ("2",)}
    assert "delimiter" in failure(written(tmp_path, "a,b\n"), delimiter="ab").message


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    assert list(read(written(tmp_path, b"\xef\xbb\xbfa,b\n1,2\n"))[0].columns) == ["a", "b"]


def test_an_encoding_is_as_said(tmp_path: Path) -> None:
    for encoding in ("latin-1", "utf-16"):
        path = written(tmp_path, "a\nZürich\n".encode(encoding))

        assert read(path, encoding=encoding)[0].columns == {"a": ("Zürich",)}


def test_bytes_of_another_encoding_are_refused_with_their_line(tmp_path: Path) -> None:
    lines = [b"a"] + [b"plain"] * 5000 + ["Zürich".encode("latin-1")] + [b"plain"] * 5000
    error = failure(written(tmp_path, b"\n".join(lines)))

    assert error.line == 5002
    assert error.value == "fc"
    assert "encoding" in error.message


def test_an_unknown_encoding_is_refused(tmp_path: Path) -> None:
    assert failure(written(tmp_path, "a\n1\n"), encoding="latin-77").encoding == "latin-77"


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"PAR1\x00\x00", "Parquet"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"SQLite format 3\x00", "SQLite"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "binary"),
        ("a,b\n".encode("utf-16"), "utf-16"),
    ],
)
def test_what_is_not_text_is_refused_in_words(tmp_path: Path, start: bytes, said: str) -> None:
    assert said in failure(written(tmp_path, start + b"rest")).message


def test_a_field_may_be_large(tmp_path: Path) -> None:
    large = "x" * 200_000  # the standard limit is 131,072

    assert read(written(tmp_path, f"a\n{large}\n"))[0].columns["a"] == (large,)


# --- compression and streams ---


def test_gz_and_zip_with_one_member_are_unpacked(tmp_path: Path) -> None:
    packed = written(tmp_path, gzip.compress(b"a\n1\n"), "rows.csv.gz")
    with zipfile.ZipFile(tmp_path / "rows.csv.zip", "w") as archive:
        archive.writestr("rows.csv", "a\n1\n")

    assert read(packed)[0].columns == {"a": ("1",)}
    assert read(tmp_path / "rows.csv.zip")[0].columns == {"a": ("1",)}


def test_a_compressed_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b"a\n" + b"".join(b"%d\n" % number for number in range(20_000)))

    assert "cut short" in failure(written(tmp_path, whole[: len(whole) // 2], "rows.csv.gz")).message
    assert "damaged" in failure(written(tmp_path, b"PK\x03\x04rest", "rows.csv.zip")).message


def test_a_zip_with_several_members_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "rows.csv.zip", "w") as archive:
        archive.writestr("a.csv", "a\n")
        archive.writestr("b.csv", "b\n")

    assert "holds 2" in failure(tmp_path / "rows.csv.zip").message


def test_a_stream_is_read_and_left_open() -> None:
    stream = io.BytesIO(b"a\n1\n")

    assert read(stream, format="csv")[0].columns == {"a": ("1",)}
    assert not stream.closed


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "no such file" in failure(tmp_path / "nothing.csv").message
    (tmp_path / "folder.csv").mkdir()
    assert "folder" in failure(tmp_path / "folder.csv").message


def test_a_name_tells_the_format_or_is_refused() -> None:
    for name, suffixes in FORMATS.items():
        assert {format_of(f"rows{suffix}") for suffix in suffixes} == {name}
    assert format_of("rows.csv.gz") == "csv"
    for name, given in [("rows.xlsx", None), ("rows", None), ("rows.csv", "excel")]:
        with pytest.raises(Error, match="format"):
            format_of(name, given)


# --- JSON lines ---


def test_json_lines_give_values_and_what_a_row_lacks_is_missing(tmp_path: Path) -> None:
    [rows] = read(written(tmp_path, '{"a": 1, "b": [1, 2]}\n\n{"a": "x", "c": true}\n', "rows.jsonl"))

    assert rows.columns == {"a": [1, "x"], "b": [[1, 2], None], "c": [None, True]}
    assert rows.lines == [1, 3]


def test_a_line_that_is_no_object_is_at_fault(tmp_path: Path) -> None:
    text = '{"a": 1}\n{"a": \n[1]\n{"a": NaN}\n' + "[" * 100_000 + '\n{"a": 2}'
    [rows] = read(written(tmp_path, text, "rows.jsonl"))

    assert sorted(rows.faults) == [1, 2, 3, 4]
    assert all(fault.startswith("a JSON object") for fault in rows.faults.values())
    assert rows.columns["a"][5] == 2


def test_a_json_array_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    assert "array" in failure(written(tmp_path, '[{"a": 1}]', "rows.jsonl")).message
    assert "empty" in failure(written(tmp_path, "\n", "rows.jsonl")).message


def test_numbers_keep_the_digits_they_are_written_with(tmp_path: Path) -> None:
    [rows] = read(written(tmp_path, '{"a": 0.12345678901234567890123}\n{"a": 123456789012345678901234}', "rows.jsonl"))

    assert rows.columns["a"][0].text == "0.12345678901234567890123"
    assert rows.columns["a"][1] == 123456789012345678901234


# --- Parquet and Arrow ---

TABLE = pa.table({"a": [1, 2, None], "b": ["x", "y", "z"]})


def arrow_files(folder: Path) -> list[Path]:
    parquet.write_table(TABLE, folder / "rows.parquet")
    with pa.ipc.new_file(folder / "rows.arrow", TABLE.schema) as file:
        file.write_table(TABLE)
    with pa.ipc.new_stream(folder / "rows.arrows", TABLE.schema) as stream:
        stream.write_table(TABLE)
    return [folder / "rows.parquet", folder / "rows.arrow", folder / "rows.arrows"]


def test_parquet_and_arrow_give_arrays_numbered_from_one(tmp_path: Path) -> None:
    for path in arrow_files(tmp_path):
        batches = read(path, 2)

        assert [list(batch.lines) for batch in batches] == [[1, 2], [3]]
        assert batches[0].columns["b"].to_pylist() == ["x", "y"]
        [whole] = read(path, None)
        assert whole.columns["a"].to_pylist() == [1, 2, None]


def test_parquet_says_how_many_rows_it_has(tmp_path: Path) -> None:
    with ExitStack() as stack:
        assert open_reader(Source(arrow_files(tmp_path)[0]), stack, None, TextOptions()).total == 3


def test_a_stream_that_cannot_be_sought_is_read(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self._data = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            return self._data.readinto(buffer)

    path = arrow_files(tmp_path)[0]

    assert read(Pipe(path.read_bytes()), format="parquet")[0].columns["a"].to_pylist() == [1, 2, None]


def test_damaged_parquet_and_arrow_are_refused(tmp_path: Path) -> None:
    for path in arrow_files(tmp_path):
        whole = path.read_bytes()
        for damaged in (b"", b"not a table", whole[: len(whole) // 2]):
            error = failure(written(tmp_path, damaged, path.name))

            assert path.name in error.source


def test_lines_of_json_can_be_compared_with_the_standard_library(tmp_path: Path) -> None:
    objects = [{"a": number, "b": f"t{number}"} for number in range(50)]
    [rows] = read(written(tmp_path, "\n".join(map(json.dumps, objects)), "rows.ndjson"))

    assert [dict(zip(rows.columns, row, strict=True)) for row in zip(*rows.columns.values(), strict=True)] == objects
