"""Where the lines of a run's workers go: to people, to files, and to whoever asks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dynamo_core.logs.book import LogBook
from dynamo_core.logs.directory import LogDirectory
from dynamo_core.logs.files import LogFiles
from dynamo_core.logs.printing import LinePrinter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dynamo_core.logs.settings import LogFileSettings
    from dynamo_core.provider.status import LogLine


class RunLog:
    """Passes lines on; nothing here ever waits.

    Args:
        show: Takes lines for people; must not block. None has them written to standard error.

    Attributes:
        book: Keeps the last ones.
    """

    def __init__(self, show: Callable[[Sequence[LogLine]], None] | None) -> None:
        self.book = LogBook()
        self._printer: LinePrinter | None = None
        if show is None:
            self._printer = LinePrinter()
            show = self._printer.show
        self._show = show
        self._files: LogFiles | None = None

    def open_files(self, settings: LogFileSettings) -> None:
        """Write lines into files too, from now on.

        Raises:
            ConfigError: The directory cannot be used.
        """
        self._files = LogFiles(LogDirectory.open(Path(settings.directory)), settings)

    def write(self, lines: Sequence[LogLine]) -> None:
        """Pass on lines of one worker."""
        self._show(lines)
        self.book.write(lines)
        if self._files is not None:
            self._files.write(lines)

    def close(self) -> None:
        """Write out what is pending, for about a second."""
        self.book.close()
        if self._files is not None:
            self._files.close()
            self._files = None
        if self._printer is not None:
            self._printer.close()
