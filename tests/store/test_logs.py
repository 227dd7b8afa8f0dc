"""Logs that are read while they are written."""

from __future__ import annotations

from pathlib import Path

from templedb_nb.store.logs import FileLog, LogTail, log_path


def test_tail_gives_what_is_new_when_a_log_grows(tmp_path: Path) -> None:
    tail = LogTail(tmp_path / log_path("run", 0))
    assert tail.more() == ""
    log = FileLog(tmp_path, "run", 0)
    log.write("one\nzwölf")
    assert tail.more() == "one\nzwölf"
    assert tail.more() == ""
    log.write(" more\n")
    assert tail.more() == " more\n"
    log.close()
    assert tail.more() == ""


def test_tail_gives_the_end_when_much_was_written_before(tmp_path: Path) -> None:
    log = FileLog(tmp_path, "run", 0)
    for _ in range(40):
        log.write("x" * 99_999 + "\n")
    log.write("the end\n")
    found = LogTail(tmp_path / log_path("run", 0)).more()
    assert len(found) == LogTail.MOST
    assert found.endswith("x\nthe end\n")
    log.close()


def test_tail_begins_anew_when_a_log_is_written_anew(tmp_path: Path) -> None:
    first = FileLog(tmp_path, "run", 0)
    first.write("a first attempt that says much\n" * 50)
    tail = LogTail(tmp_path / log_path("run", 0))
    assert "first" in tail.more()
    first.close()
    (tmp_path / log_path("run", 0)).unlink()
    second = FileLog(tmp_path, "run", 0)
    second.write("b\n")
    assert tail.more() == "b\n"
    second.close()


def test_tail_says_nothing_when_the_file_is_no_log(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(b"no log" * 100)
    assert LogTail(path).more() == ""
