"""OCAPI: the Data API's jobs resource (17.4 and any other `vYY_N`) and its system jobs (23.2).

Decisions where the documents are silent or disagree:

- An execution's `id` is its number; `status` is the exit code once it has finished, else its status
  in capitals. `execution_scopes`, `step_executions` and `is_log_file_existing` appear with the first
  step that starts, as the samples have it.
- Up to 17.x a creation is dispatched at once (200, running); later ones, and every system job, are
  accepted (202, pending). While pending there is no `_resource_state`.
- `log_file_path` is given from 18.1 on.
- `duration` of what still runs counts up to the last change that was recorded.
- Parameters that a job does not declare are accepted and shown again, but no step is given them:
  clients pass what another version of the job took. Declared ones are read as the type declared.
- JSON is written without blanks; `pretty_print=true` in the address breaks it into lines.
- In XML an element is named as its property, an item of a list as its `_type` (or `item`), and the
  document as its `_type` (`fault_document` for a fault). Anything that declares a document type is
  refused.
"""
