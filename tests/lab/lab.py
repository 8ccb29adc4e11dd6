"""A Kubernetes cluster of its own in one network namespace; `lab --help` says what it can do."""

from __future__ import annotations

import sys

from laboratory.commands import main

sys.exit(main())
