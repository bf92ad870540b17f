"""Files of proposals, as people and programs write them: their rows, or what is wrong with the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipelines.writeback
from pipelines.errors import FixConfiguration
from pipelines.proposed import proposed_rows
from pipelines.settings import DuckdbWarehouse
from pipelines.writeback.proposals import Proposal, ProposalsRefused, read_proposals
from tests.hand_made_marts import TYPES, contract

RULES = Path(pipelines.writeback.__file__).parent / "rules"
NOWHERE = DuckdbWarehouse(Path("nowhere.duckdb"), Path("nowhere.state"))


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def read(name: str, content: bytes | str, warehouse: DuckdbWarehouse = NOWHERE) -> list[dict[str, Any]]:
    path = Path(name)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [dict(row) for row in proposed_rows(path, warehouse)]


def refused(name: str, content: bytes | str, warehouse: DuckdbWarehouse = NOWHERE) -> str:
    with pytest.raises(FixConfiguration) as caught:
        read(name, content, warehouse)
    message = str(caught.value)
    assert message.startswith(f"Expected {name} to be ")
    return message


CELLS = {"connection_id": "c1", "ticket_id": "7", "tags_add": "a,b", "note": 'Say "hi";\nbye'}


@pytest.mark.parametrize(
    "content",
    [
        'connection_id,ticket_id,tags_add,note\nc1,7,"a,b","Say ""hi"";\nbye"\n',
        'connection_id;ticket_id;tags_add;note\nc1;7;a,b;"Say ""hi"";\nbye"\n',
        'connection_id\tticket_id\ttags_add\tnote\nc1\t7\ta,b\t"Say ""hi"";\nbye"\n',
        '"connection_id";"ticket_id";"tags_add";"note"\n"c1";"7";"a,b";"Say ""hi"";\nbye"',
        ' connection_id , ticket_id ,tags_add,note\nc1,7,"a,b","Say ""hi"";\nbye"\n',
        '\ufeffconnection_id,ticket_id,tags_add,note\nc1,7,"a,b","Say ""hi"";\nbye"\n',
        '\ufeff"connection_id";"ticket_id";"tags_add";"note"\r\nc1;7;a,b;"Say ""hi"";\nbye"\r\n',
        'connection_id,ticket_id,tags_add,note\rc1,7,"a,b","Say ""hi"";\nbye"\r',
        'connection_id,ticket_id,tags_add,note\n\nc1,7,"a,b","Say ""hi"";\nbye"\n\n\n',
    ],
    ids=[
        *("commas", "semicolons", "tabs", "quoted", "blanks in the heading", "with a mark", "as Excel writes it"),
        *("old line ends", "blank lines"),
    ],
)
def test_a_csv_file_is_read_as_spreadsheets_write_it(content: str) -> None:
    assert read("rows.csv", content) == [CELLS]


def test_cells_of_a_csv_file_are_text_and_empty_ones_stay_empty() -> None:
    rows = read("rows.csv", "ticket_id,note\n007,\n , x \nN/A,né 日本\n")
    assert rows == [
        {"ticket_id": "007", "note": ""},
        {"ticket_id": " ", "note": " x "},
        {"ticket_id": "N/A", "note": "né 日本"},
    ]


def test_a_csv_file_may_have_one_column() -> None:
    assert read("rows.csv", "ticket_id\n1\n2\n") == [{"ticket_id": "1"}, {"ticket_id": "2"}]


@pytest.mark.parametrize("content", ["", "ticket_id,note\n", "\ufeffticket_id,note"], ids=["empty", "heading", "mark"])
def test_a_csv_file_without_rows_has_none(content: str) -> None:
    assert read("rows.csv", content) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2\n3\n", "row 2 has 1 cells under a heading of 2"),
        ("a,b\n1,2,3\n", "row 1 has 3 cells under a heading of 2"),
        ("a,b\n1,2;3,4\n", "row 1 has 3 cells under a heading of 2"),
        ("a,b,a\n1,2,3\n", "the heading has 'a' more than once"),
        ("a, a\n1,2\n", "the heading has 'a' more than once"),
        ("a,,\n1,,\n", "the heading has '' more than once"),
        ('a,b\n"1"x,2\n', "expected after"),
        ('a,b\n"1,2\n', "unexpected end of data"),
        ("a\nm\u00fcde\n".encode("latin-1"), "can't decode byte 0xfc"),
        ("a,b\n1,2\n".encode("utf-16"), "can't decode byte"),
        ("a,b\n1," + "x" * 200_000 + "\n", "field larger than field limit"),
    ],
    ids=[
        *("too short", "too long", "two separators", "doubled", "doubled but for a blank", "doubled and empty"),
        *("after a quote", "no end of a quote", "Latin", "UTF-16", "an endless cell"),
    ],
)
def test_what_is_wrong_with_a_csv_file_is_said(content: bytes | str, expected: str) -> None:
    message = refused("rows.csv", content)
    assert "a CSV file in UTF-8 with a heading" in message
    assert expected in message
    assert len(message) < 300


def test_a_row_has_the_same_number_whatever_is_wrong_with_it() -> None:
    """Its place in the file, blank lines or not."""
    heading, good, blank = "connection_id,ticket_id,status\n", "c1,t1,closed\n", "\n"
    ragged = refused("rows.csv", f"{heading}{good}{blank}c1,t2\n")
    with pytest.raises(ProposalsRefused) as caught:
        read_proposals(read("rows.csv", f"{heading}{good}{blank}c1,t2,open\n"))
    told = str(caught.value).split("\n")[1]
    assert told.split(":")[0] in ragged


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("[]", []),
        (' [{"a": 1, "b": ["x"], "c": null}, {}] ', [{"a": 1, "b": ["x"], "c": None}, {}]),
        ('[{"b": "\\u00fc"}]', [{"b": "ü"}]),
    ],
    ids=["none", "two", "escaped"],
)
def test_json_is_read_as_a_list_of_objects(content: str, rows: list[dict[str, Any]]) -> None:
    assert read("rows.json", content) == rows


@pytest.mark.parametrize(
    "content",
    [
        *("", "{}", "5", "null", '[{"a": 1}', '[{"a": 1},]', "[[1]]", '["a"]', '[{"a": NaN}]', "a,b\n1,2\n"),
        *(b'[{"a": "\xff"}]', '[{"a": 1}]'.encode("utf-16"), b'[{"a": "\\ud800"}]', '[{"a": ' + "9" * 5_000 + "}]"),
        '[{"a": ' + "[" * 50_000,
    ],
    ids=[
        *("empty", "an object", "a number", "null", "cut off", "a comma", "lists", "texts", "NaN", "CSV"),
        *("Latin", "UTF-16", "half a letter", "a long number", "deep"),
    ],
)
def test_what_is_no_json_list_of_objects_is_refused(content: bytes | str) -> None:
    message = refused("rows.json", content)
    assert "to be a JSON list of objects, but: " in message
    assert len(message) < 300


def test_a_parquet_file_has_its_types() -> None:
    table = pa.table({"ticket_id": [1, None], "tags_add": [["a", "b"], None], "note": ["é", ""]})
    pyarrow.parquet.write_table(table, "rows.parquet")
    rows = proposed_rows(Path("rows.parquet"), NOWHERE)
    assert rows == [
        {"ticket_id": 1, "tags_add": ["a", "b"], "note": "é"},
        {"ticket_id": None, "tags_add": None, "note": ""},
    ]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,b\n1,2\n" * 10], ids=["empty", "cut off", "CSV"])
def test_what_is_no_parquet_file_is_refused(content: bytes) -> None:
    assert "to be a Parquet file, but: " in refused("rows.parquet", content)


@pytest.mark.parametrize(
    "table",
    [
        pa.table([[1], [2]], names=["priority", "priority"]),
        pa.table({"due": pa.array([10**18], pa.timestamp("us"))}),
    ],
    ids=["doubled", "a time of no calendar"],
)
def test_a_parquet_file_that_makes_no_rows_is_refused(table: pa.Table) -> None:
    pyarrow.parquet.write_table(table, "rows.parquet")
    with pytest.raises(FixConfiguration, match=r"^Expected rows\.parquet to be a Parquet file"):
        proposed_rows(Path("rows.parquet"), NOWHERE)


@pytest.mark.parametrize("name", ["rows.xlsx", "rows", "rows.csv.gz", ".csv", "rows.txt"])
def test_a_file_of_another_ending_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(FixConfiguration) as caught:
        read(name, "ticket_id\n1\n")
    assert str(caught.value) == (
        f"Expected proposals in a file that ends in one of .csv, .json, .parquet, .sql, got {name!r}."
    )


ENDINGS = [".csv", ".json", ".parquet", ".sql"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_is_not_there_is_named(ending: str, warehouse: DuckdbWarehouse) -> None:
    path = Path(f"rows{ending}")
    with pytest.raises(FixConfiguration, match=f"rows{ending}"):
        proposed_rows(path, warehouse)


@pytest.mark.parametrize("ending", [ending for ending in ENDINGS if ending != ".parquet"])
def test_a_folder_is_no_file(ending: str, warehouse: DuckdbWarehouse) -> None:
    path = Path(f"rows{ending}")
    path.mkdir()
    with pytest.raises(FixConfiguration, match=f"rows{ending}"):
        proposed_rows(path, warehouse)


@given(st.sampled_from([".csv", ".json", ".parquet"]), st.binary() | st.text().map(str.encode))
def test_whatever_is_in_a_file_it_is_read_or_refused(ending: str, content: bytes) -> None:
    path = Path(f"any{ending}")
    path.write_bytes(content)
    try:
        rows = proposed_rows(path, NOWHERE)
    except FixConfiguration:
        return
    assert all(isinstance(name, str) for row in rows for name in row)


SUBJECTS = {
    "t1": "Invoice 12 is wrong",
    "t2": "Password and INVOICES",
    "t3": "The login",
    "t4": "Blogin preinvoice",
    "t5": None,
}
CANDIDATES: list[dict[str, Any]] = [
    *(
        {"ticket_id": id, "place": place, "subject": subject, "reasons": ["no_category"]}
        for place, (id, subject) in enumerate(SUBJECTS.items(), start=1)
    ),
    {"ticket_id": "t6", "place": 6, "subject": "A refund", "reasons": ["vip"]},
    {"ticket_id": "t7", "place": 7, "priority": "high", "reasons": ["sla_breached", "vip"]},
    {"ticket_id": "t8", "place": 8, "priority": "urgent", "reasons": ["sla_breached"]},
    {"ticket_id": "t9", "place": 9, "priority": None, "reasons": ["sla_breached"], "integration_type": "servicenow"},
    {
        "ticket_id": "t10",
        "place": 10,
        "priority": "1_critical",
        "reasons": ["sla_breached"],
        "integration_type": "servicenow",
    },
    {"ticket_id": "t11", "place": 11, "priority": "2_high", "reasons": ["sla_breached"], "integration_type": "other"},
    {"ticket_id": "t12", "place": 12, "priority": "low", "reasons": ["sla_at_risk"]},
]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> DuckdbWarehouse:
    """One with candidates for triage."""
    folder = tmp_path_factory.mktemp("candidates")
    made = DuckdbWarehouse(folder / "warehouse.duckdb", folder / "warehouse.state")
    columns = {name: TYPES.get(kind, kind) for name, (kind, _) in contract("triage_candidates").items()}
    with duckdb.connect(str(made.path)) as database:
        database.execute("create schema marts")
        types = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        database.execute(f"create table marts.triage_candidates ({types})")
        for candidate in CANDIDATES:
            row = {"connection_id": "c1", "integration_type": "zendesk", "score": 50} | candidate
            row["reasons"] = json.dumps([{"reason": reason, "weight": 50} for reason in candidate["reasons"]])
            marks = ", ".join("?" * len(row))
            database.execute(
                f"insert into marts.triage_candidates ({', '.join(row)}) values ({marks})", [*row.values()]
            )
    return made


def test_a_query_is_answered_with_its_signs_its_lists_and_its_json(warehouse: DuckdbWarehouse) -> None:
    query = """
        -- 100 % of what is like 't1%' or '%s'
        select connection_id, ticket_id, ['a', 'b'] as tags_add, cast('["c"]' as json) as tags_remove,
            cast(place % 10 as varchar) || '%s' as reason
        from marts.triage_candidates where ticket_id like 't1%' and ticket_id <> '%s' order by place;
    """
    rows = read("rule.sql", query, warehouse)
    assert [row["ticket_id"] for row in rows] == ["t1", "t10", "t11", "t12"]
    assert read_proposals(rows)[0] == Proposal("c1", "t1", tags_add=("a", "b"), tags_remove=("c",), reason="1%s")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("selec 1", "syntax error"),
        ("select * from marts.nothing", "nothing does not exist"),
        ("select nothing from marts.triage_candidates", "nothing"),
        ("select ? as ticket_id", "parameter"),
        ("select cast(subject as integer) as ticket_id from marts.triage_candidates", "Could not convert"),
        ("select cast(if(i = 299999, 'x', '1') as integer) as ticket_id from range(300000) as r(i)", "answers, but: "),
        ("delete from marts.triage_candidates", "read-only"),
        ("", "query"),
        ("-- nothing yet\n", "query"),
        ("select 'm\u00fcde' as note".encode("latin-1"), "decode"),
        ("select ticket_id, 'low' as priority, priority from marts.triage_candidates", "priority"),
    ],
    ids=[
        *("a misspelt word", "an unknown table", "an unknown column", "a parameter", "a wrong cast"),
        *("a wrong cast at the end", "a change", "empty", "a comment", "Latin", "a doubled column"),
    ],
)
def test_a_query_that_cannot_be_answered_is_refused_with_the_reason(
    query: bytes | str, expected: str, warehouse: DuckdbWarehouse
) -> None:
    assert expected in refused("rule.sql", query, warehouse)


def test_without_a_warehouse_a_query_is_refused() -> None:
    Path("rule.sql").write_text("select 1")
    with pytest.raises(FixConfiguration, match="Nothing has been synced"):
        proposed_rows(Path("rule.sql"), NOWHERE)


def proposed(rule: str, warehouse: DuckdbWarehouse) -> Sequence[Proposal]:
    return read_proposals(proposed_rows(RULES / rule, warehouse))


def test_the_rule_for_breached_tickets_raises_those_that_are_not_raised_yet(warehouse: DuckdbWarehouse) -> None:
    def reason(place: int) -> str:
        return f"A service level is breached: place {place} of the candidates, with a score of 50"

    assert proposed("raise_breached.sql", warehouse) == [
        Proposal("c1", "t7", priority="urgent", tags_add=("sla-breached",), reason=reason(7)),
        Proposal("c1", "t9", priority="1 - Critical", tags_add=("sla-breached",), reason=reason(9)),
        Proposal("c1", "t11", priority="urgent", tags_add=("sla-breached",), reason=reason(11)),
    ]


def test_the_rule_for_subjects_routes_by_the_first_word_of_its_list(warehouse: DuckdbWarehouse) -> None:
    assert proposed("route_by_subject.sql", warehouse) == [
        Proposal("c1", "t1", category="Billing", reason="The subject has the word invoice"),
        Proposal("c1", "t2", category="Billing", reason="The subject has the word invoice"),
        Proposal("c1", "t3", category="Access", reason="The subject has the word login"),
    ]


@pytest.mark.parametrize("rule", sorted(path.name for path in RULES.glob("*.sql")))
def test_each_rule_says_how_it_is_run(rule: str) -> None:
    lines = (RULES / rule).read_text().splitlines()
    assert lines[0].startswith("-- Proposes ")
    assert f"-- Run it: ticketing triage plan pipelines/writeback/rules/{rule}" in lines
