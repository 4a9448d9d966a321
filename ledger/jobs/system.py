"""System jobs: what the ledger itself defines under the reserved prefix.

A parameter's `source` names the property of the job's own request document that fills it; the order
of the parameters is that in which an execution shows them. They are defined in an organization when
the server starts (the default one) or when somebody there first runs one; see `ledger.handle.system`.
"""

from collections.abc import Mapping
from typing import Final

from ledger.events.definition import Definition, Parameter, Policies, StepDefinition

IMPORT_STEP: Final = "site_import"
EXPORT_STEP: Final = "site_export"
INDEX_STEP: Final = "site_index"

_ONE_AFTER_THE_OTHER: Final = Policies(when_running="queue", timeout_s=3600)
_ONE_AT_A_TIME: Final = Policies(when_running="reject", timeout_s=3600)


def _index(kind: str) -> Definition:
    return Definition(
        name=f"Full {kind} index update",
        description=f"Builds the {kind} index of the named sites anew.",
        type="system",
        parameters=(Parameter(name="SiteScope", source="site_scope", required=True),),
        steps=(
            StepDefinition(
                step_id="index",
                step_type_id=INDEX_STEP,
                description=f"Build the {kind} index",
                settings={"index": kind},
            ),
        ),
        policies=_ONE_AT_A_TIME,
    )


SYSTEM_JOBS: Final[Mapping[str, Definition]] = {
    "sfcc-site-archive-import": Definition(
        name="Site archive import",
        description="Unpacks a site archive and lists what it brought.",
        type="system",
        parameters=(
            Parameter(name="ImportMode", source="mode", default="merge"),
            Parameter(name="ImportFile", source="file_name", required=True),
        ),
        steps=(
            StepDefinition(
                step_id="import", step_type_id=IMPORT_STEP, description="Unpack the site archive"
            ),
        ),
        policies=_ONE_AFTER_THE_OTHER,
    ),
    "sfcc-site-archive-export": Definition(
        name="Site archive export",
        description="Packs data units of the sites into an archive.",
        type="system",
        parameters=(
            Parameter(name="DataUnits", source="data_units"),
            Parameter(name="ExportFile", source="export_file", required=True),
            Parameter(name="OverwriteExportFile", source="overwrite_export_file", default="false"),
        ),
        steps=(
            StepDefinition(
                step_id="export", step_type_id=EXPORT_STEP, description="Pack the site archive"
            ),
        ),
        policies=_ONE_AFTER_THE_OTHER,
    ),
    "sfcc-search-index-product-full-update": _index("product"),
    "sfcc-search-index-content-full-update": _index("content"),
    "sfcc-search-index-active-data-full-update": _index("active-data"),
}
