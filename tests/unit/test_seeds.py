"""A seed that a spreadsheet has left as something else than the CSV file that dbt loads."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from pipelines.build import require_seeds
from pipelines.errors import FixConfiguration
from pipelines.seeds import refuse_unreadable_seeds

SHIPPED = Path(__file__).resolve().parents[2] / "dbt_project"
EXPECTED = "Expected the columns calendar,time_zone"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project's own file and its seeds as shipped."""
    shutil.copytree(SHIPPED / "seeds", tmp_path / "dbt_project" / "seeds")
    shutil.copy(SHIPPED / "dbt_project.yml", tmp_path / "dbt_project")
    return tmp_path / "dbt_project"


@pytest.mark.parametrize(
    "content",
    [
        b"calendar,time_zone\noffice,UTC\n",
        b"\xef\xbb\xbfcalendar,time_zone\r\noffice,UTC\r\n,\r\n",
        b'time_zone,calendar\n"UTC","Oslo, the old office"\n\n',
        b"calendar,time_zone\roffice,UTC\r",
        "calendar,time_zone\nkontoret på\u2028Ås,UTC".encode(),
        b"calendar,time_zone\n",
    ],
)
def test_what_a_spreadsheet_does_without_harm_is_let_pass(project: Path, content: bytes) -> None:
    (project / "seeds" / "business_calendars.csv").write_bytes(content)
    refuse_unreadable_seeds(project)


@pytest.mark.parametrize(
    ("content", "came"),
    [
        (b"calendar;time_zone\noffice;UTC\n", ", got calendar;time_zone."),
        (b"calendar\ttime_zone\noffice\tUTC\n", ", got calendar\ttime_zone."),
        (b"calendar\noffice\n", ", got calendar."),
        (b"calendar,zone\noffice,UTC\n", ", got calendar,zone."),
        (b"Calendar,time_zone\noffice,UTC\n", ", got Calendar,time_zone."),
        (b"calendar,time_zone,note\noffice,UTC,\n", ", got calendar,time_zone,note."),
        (b"calendar,calendar,time_zone\noffice,office,UTC\n", ", got calendar,calendar,time_zone."),
        (b"", ", got none."),
        (b"calendar,time_zone\noffice,UTC\nkontoret p\xe5 \xc5s,UTC\n", ", but line 3 is not in UTF-8."),
        ("calendar,time_zone\n".encode("utf-16"), ", but line 1 is not in UTF-8."),
        (b"calendar,time_zone\noffice,UTC,\n", ", but line 2 has another number of cells: 3."),
        (b"calendar,time_zone\n\noffice\n", ", but line 3 has another number of cells: 1."),
        (b'calendar,time_zone\n"office,UTC\n', ", but it is not CSV: unexpected end of data."),
        (None, ", but there is no such file."),
    ],
)
def test_a_file_that_is_not_its_table_is_named_with_what_was_expected_and_what_came(
    project: Path, content: bytes | None, came: str
) -> None:
    path = project / "seeds" / "business_calendars.csv"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(FixConfiguration) as refused:
        refuse_unreadable_seeds(project)
    assert str(refused.value) == f"{path}: {EXPECTED}{came}\nSave it as CSV with commas, in UTF-8."


def test_every_file_that_is_to_be_mended_is_named_at_once(project: Path) -> None:
    for seed in ("triage_weights", "raw_signs"):
        (project / "seeds" / f"{seed}.csv").write_text("a;b\n")
    with pytest.raises(FixConfiguration, match=r"raw_signs\.csv: .*\n.*triage_weights\.csv: .*\nSave it"):
        refuse_unreadable_seeds(project)


def test_the_project_that_is_built_is_looked_at(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.parent)
    require_seeds()
    (project / "seeds" / "sla_policies.csv").write_text("policy;place\n")
    with pytest.raises(FixConfiguration, match=r"^dbt_project/seeds/sla_policies\.csv: .*, got policy;place\."):
        require_seeds()


def test_every_column_of_a_seed_is_described_and_loaded_as_text() -> None:
    declared = yaml.safe_load((SHIPPED / "dbt_project.yml").read_text())["seeds"]["unified_ticketing"]
    described = yaml.safe_load((SHIPPED / "seeds" / "_seeds.yml").read_text())["seeds"]
    assert {path.stem for path in (SHIPPED / "seeds").glob("*.csv")} == {seed["name"] for seed in described}
    for seed in described:
        columns = {column["name"]: "varchar" for column in seed["columns"]}
        assert declared[seed["name"]]["+column_types"] == columns
