# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let galaxy-importer judge the built collection; every warning or error is a failure.

tests/checks/importer.py TARBALL
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from pathlib import Path

from galaxy_importer import collection, config, exceptions

# Said about what galaxy-importer did not do, not about the collection.
ABOUT_ITSELF: tuple[str, ...] = ()


class Complaints(logging.Handler):
    """Keeps what is said at level warning or above."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message, unless it is about galaxy-importer itself."""
        message = record.getMessage()
        if not message.startswith(ABOUT_ITSELF):
            self.heard.append(f"{record.levelname}: {message}")


def main() -> int:
    """Import the tarball named on the command line."""
    tarball = Path(sys.argv[1]).resolve()
    # It calls ansible-doc and ansible-lint by their bare names.
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    complaints = Complaints()
    logger = logging.getLogger("galaxy_importer")
    logger.addHandler(complaints)
    logger.setLevel(logging.INFO)
    with tempfile.TemporaryDirectory(prefix="canary-importer-") as folder, tarball.open("rb") as artifact:
        settings = config.Config(
            {"check_required_tags": True, "require_v1_or_greater": True, "tmp_root_dir": folder, "run_flake8": False}
        )
        namespace, name, version = tarball.name.removesuffix(".tar.gz").split("-")
        filename = collection.CollectionFilename(namespace, name, version)
        try:
            result = collection.import_collection(artifact, filename, logger=logger, cfg=settings)
        except exceptions.ImporterError as error:
            sys.exit(f"importer: refused: {error}")
    for line in complaints.heard:
        print(line)
    if complaints.heard:
        return 1
    print(f"importer: {tarball.name} accepted without a warning, {len(result['contents'])} contents")
    return 0


if __name__ == "__main__":
    sys.exit(main())
