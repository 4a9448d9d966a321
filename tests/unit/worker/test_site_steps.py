"""The steps of system jobs: archives unpacked safely, packed again, and indexed."""

import io
import stat
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.step_types import BUILT_IN_TYPES
from api.worker.steps.port import StepContext
from api.worker.steps.registry import BUILT_IN
from api.worker.steps.result import StepFailed
from api.worker.steps.site_export import run_site_export
from api.worker.steps.site_folder import files_below
from api.worker.steps.site_import import run_site_import
from api.worker.steps.site_index import run_site_index
from tests.unit.worker.test_steps import Told


def context(folder: Path, settings: dict[str, Any] | None = None, **parameters: Any) -> StepContext:
    """Make a step's context on a folder."""
    return StepContext(
        execution="e",
        number=1,
        job_id="sfcc-site-archive-import",
        step_id="import",
        index=1,
        scope="Organization",
        attempt=1,
        settings=settings or {},
        parameters=parameters,
        input=None,
        output=None,
        data_dir=folder,
        report=Told(),
    )


def packed(files: dict[str, bytes]) -> bytes:
    """Make an archive."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


SITE = {
    "demo/catalogs/storefront/catalog.xml": b"<catalog><name>Red shoe</name></catalog>",
    "demo/libraries/shared/library.xml": b"<library>Welcome</library>",
    "demo/sites/Demo/site.xml": b"<site>Demo shoe</site>",
    "demo/sites/Other/site.xml": b"<site>Elsewhere</site>",
}


async def test_a_site_goes_in_is_indexed_and_comes_out(tmp_path: Path) -> None:
    """What an import brought is listed, indexed by scope, and packed by data unit."""
    folder = tmp_path / "files"
    (folder / "impex" / "src" / "instance").mkdir(parents=True)
    (folder / "impex" / "src" / "instance" / "demo.zip").write_bytes(packed(SITE))
    brought = await run_site_import(context(folder, ImportMode="merge", ImportFile="demo.zip"))
    assert brought.counters["IMPORTED_FILES"] == 4
    assert brought.output["files"] == sorted(name.removeprefix("demo/") for name in SITE)
    assert "catalogs/storefront/catalog.xml" in brought.log
    assert (
        folder / "site" / "sites" / "Demo" / "site.xml"
    ).read_bytes() == b"<site>Demo shoe</site>"
    assert not list((folder / "impex" / "working").iterdir())

    scope = msgspec.json.encode({"named_sites": ["Demo"]}).decode()
    indexed = await run_site_index(context(folder, {"index": "product"}, SiteScope=scope))
    assert indexed.counters["INDEXED_FILES"] == 2
    index = msgspec.json.decode((folder / "index" / "product.json").read_bytes())
    assert index["words"]["shoe"] == [0, 1]
    assert "elsewhere" not in index["words"]
    everywhere = '{"all_storefront_sites":true}'
    again = await run_site_index(context(folder, {"index": "active-data"}, SiteScope=everywhere))
    assert again.counters["INDEXED_FILES"] == 2

    units = '{"catalogs":{"storefront":true},"sites":{"Demo":{"all":true}},"libraries":false}'
    await run_site_export(context(folder, ExportFile="out.zip", DataUnits=units))
    with zipfile.ZipFile(folder / "impex" / "src" / "instance" / "out.zip") as archive:
        assert archive.namelist() == [
            "out/catalogs/storefront/catalog.xml",
            "out/sites/Demo/site.xml",
        ]
    with pytest.raises(StepFailed, match="already"):
        await run_site_export(context(folder, ExportFile="out.zip"))
    whole = await run_site_export(context(folder, ExportFile="out.zip", OverwriteExportFile="true"))
    assert whole.counters["EXPORTED_FILES"] == 4


async def test_an_archive_is_found_in_the_data_directory(tmp_path: Path) -> None:
    """An archive may lie in the folder of files, or in the data directory around it."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.zip").write_bytes(packed({"a.txt": b"a"}))
    (tmp_path / "b.zip").write_bytes(packed({"b.txt": b"b"}))
    assert (await run_site_import(context(folder, ImportFile="a.zip"))).output["files"] == ["a.txt"]
    assert (await run_site_import(context(folder, ImportFile="b"))).output["files"] == ["b.txt"]


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "/etc/evil", "a/../../evil", "..\\evil.txt", "C:/evil", "x\x01y", "a" * 600],
)
async def test_names_that_leave_the_folder_change_nothing(tmp_path: Path, name: str) -> None:
    """An archive that names anything outside is refused whole."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "bad.zip").write_bytes(packed({"good.txt": b"good", name: b"bad"}))
    with pytest.raises(StepFailed):
        await run_site_import(context(folder, ImportFile="bad.zip"))
    assert not (folder / "site").exists()
    assert [path.name for path in files_below(tmp_path)] == ["bad.zip"]


async def test_links_and_liars_are_refused(tmp_path: Path) -> None:
    """Links are not unpacked, a file is no folder, and what is no archive is none."""
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    (tmp_path / "link.zip").write_bytes(made.getvalue())
    (tmp_path / "both.zip").write_bytes(packed({"x/a": b"1", "x/a/b": b"2"}))
    (tmp_path / "none.zip").write_bytes(b"PK nothing")
    for name in ("link.zip", "both.zip", "none.zip", "missing.zip"):
        with pytest.raises(StepFailed):
            await run_site_import(context(tmp_path, ImportFile=name))
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("name", ["../x.zip", "a/b.zip", ".hidden", "", None, "x\x00.zip"])
async def test_an_archive_is_named_simply(tmp_path: Path, name: str | None) -> None:
    """No name of an archive leads out of the folder."""
    with pytest.raises(StepFailed, match="simple file name"):
        await run_site_import(context(tmp_path, ImportFile=name))
    with pytest.raises(StepFailed, match="simple file name"):
        await run_site_export(context(tmp_path, ExportFile=name))


@given(raw=st.binary(max_size=200))
async def test_any_bytes_are_an_archive_or_not(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    """What cannot be unpacked ends as a failure that its author foresaw."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "x.zip").write_bytes(packed({"a": b"1"})[: len(raw)] + raw)
    with suppress(StepFailed):
        await run_site_import(context(folder, ImportFile="x.zip"))


def test_the_ledger_knows_what_every_worker_can_do() -> None:
    """The step types that are never unknown are those that every worker has."""
    assert frozenset(BUILT_IN) == BUILT_IN_TYPES
