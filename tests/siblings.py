"""An import contract for folders of siblings: sources, renderers, services. ``lint-imports`` loads it (pyproject.toml).

A module of such a folder imports no other, but for those that they share: names with a leading underscore, and the
modules that are listed as ``shared``. A new file is covered as soon as it is there.
"""

from typing import Any, cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.application import contract_utils
from importlinter.application.contract_utils import AlertLevel


class SiblingsContract(Contract):
    """Fail for each module of ``folder`` that imports a sibling which is neither private nor ``shared``."""

    type_name = "siblings"

    folder = fields.StringField()
    shared = fields.SetField(subfield=fields.StringField(), required=False)
    ignore_imports = fields.SetField(subfield=fields.ImportExpressionField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Return whether the contract is kept; the metadata lists the imports that break it."""
        removal = contract_utils.remove_ignored_imports_and_report(
            graph=graph, ignore_imports=cast(Any, self.ignore_imports), unmatched_alerting=AlertLevel.ERROR
        )
        folder, shared = str(self.folder), cast("set[str]", self.shared or set())
        siblings = {
            one for one in graph.find_children(folder)
            if not (name := one.rpartition(".")[2]).startswith("_") and name not in shared
        }  # fmt: skip
        if len(siblings) < 2:
            raise ValueError(f"{folder} has no siblings to hold apart")
        found = sorted(
            f"{importer} imports {imported}"
            for importer in siblings
            for module in {importer, *graph.find_descendants(importer)}
            for imported in siblings - {importer}
            if graph.find_modules_directly_imported_by(module) & {imported, *graph.find_descendants(imported)}
        )
        return ContractCheck(
            kept=not found, warnings=list(removal.warnings), ignored_import_count=removal.ignored_import_count,
            metadata={"found": found},
        )  # fmt: skip

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print the imports that break the contract."""
        for line in cast("list[str]", check.metadata["found"]):
            output.print(f"- {line}")
        output.new_line()
