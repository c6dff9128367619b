"""Every exception fenban raises on purpose, and nothing else.

A message tells the user, in Chinese, what is wrong and what to do next; it never carries petition text or identity data.
`code` is stable: the HTTP face uses it as the problem type, scripts may match on it.

    FenbanError                      code
    ├── InputError                   bad-input            the caller gave something we cannot read
    │   ├── EmptyTextError           empty-text
    │   ├── TextTooLongError         text-too-long
    │   ├── UnreadableFileError      unreadable-file      wrong type, encoding or a broken workbook
    │   ├── ColumnError              unknown-columns      no column could be mapped to a text
    │   ├── UnknownCodeError         unknown-code         category, kind, unit or channel that does not exist
    │   └── DateError                bad-date
    ├── ReferenceDataError           bad-reference-data   an office's own file is wrong; says file and line
    │   ├── TaxonomyError            bad-taxonomy
    │   ├── DirectoryError           bad-directory
    │   └── CorpusError              bad-corpus
    ├── BundleError                  bad-bundle
    │   ├── BundleMissingError       no-bundle
    │   ├── BundleTamperedError      bundle-tampered      a file's SHA-256 is not the manifest's
    │   ├── BundleIncompatibleError  bundle-incompatible  another format, or another segmenter
    │   └── BundleRefusedError       bundle-refused       the gate's verdict on it is: not passed
    ├── SecretError                  bad-key
    │   ├── SecretMissingError       key-missing          the database is encrypted and its key is not here
    │   └── SecretMismatchError      key-mismatch         a key, but not this database's
    ├── StoreError                   store-failed
    │   ├── StoreUnavailableError    store-unavailable    read-only, full, locked, unreachable
    │   ├── SchemaTooNewError        store-too-new        made by a newer fenban
    │   ├── NotFoundError            not-found
    │   └── ConflictError            conflict
    │       ├── IdempotencyError     idempotency-key-reused
    │       └── AlreadyRunningError  already-running      one retraining at a time
    └── AccessError                  access-denied
        ├── UnauthenticatedError     unauthenticated      no key, unknown key, expired key, disabled user
        ├── ForbiddenError           forbidden            the user's role may not do this, or the request came from elsewhere
        └── ThrottledError           throttled            too many attempts to sign in
"""

from __future__ import annotations

from typing import ClassVar


class FenbanError(Exception):
    """Root of the tree. `str(error)` is the one line shown to the user."""

    code: ClassVar[str] = "error"


class InputError(FenbanError):
    code = "bad-input"


class EmptyTextError(InputError):
    code = "empty-text"


class TextTooLongError(InputError):
    code = "text-too-long"


class UnreadableFileError(InputError):
    code = "unreadable-file"


class ColumnError(InputError):
    code = "unknown-columns"


class UnknownCodeError(InputError):
    code = "unknown-code"


class DateError(InputError):
    code = "bad-date"


class ReferenceDataError(FenbanError):
    """A data file an office may edit is wrong. `problems` lists every finding, each with file and line."""

    code = "bad-reference-data"

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class TaxonomyError(ReferenceDataError):
    code = "bad-taxonomy"


class DirectoryError(ReferenceDataError):
    code = "bad-directory"


class CorpusError(ReferenceDataError):
    code = "bad-corpus"


class BundleError(FenbanError):
    code = "bad-bundle"


class BundleMissingError(BundleError):
    code = "no-bundle"


class BundleTamperedError(BundleError):
    code = "bundle-tampered"


class BundleIncompatibleError(BundleError):
    code = "bundle-incompatible"


class BundleRefusedError(BundleError):
    code = "bundle-refused"


class SecretError(FenbanError):
    code = "bad-key"


class SecretMissingError(SecretError):
    code = "key-missing"


class SecretMismatchError(SecretError):
    code = "key-mismatch"


class StoreError(FenbanError):
    code = "store-failed"


class StoreUnavailableError(StoreError):
    code = "store-unavailable"


class SchemaTooNewError(StoreError):
    code = "store-too-new"


class NotFoundError(StoreError):
    code = "not-found"


class ConflictError(StoreError):
    code = "conflict"


class IdempotencyError(ConflictError):
    code = "idempotency-key-reused"


class AlreadyRunningError(ConflictError):
    code = "already-running"


class AccessError(FenbanError):
    code = "access-denied"


class UnauthenticatedError(AccessError):
    code = "unauthenticated"


class ForbiddenError(AccessError):
    code = "forbidden"


class ThrottledError(AccessError):
    code = "throttled"
