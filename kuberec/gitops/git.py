"""A clone of any Git remote in a temporary folder: read, commit, push, and again when somebody was faster."""

import os
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from kuberec.errors import PromotionError

TRIES = 10
"""Pushes before a change is given up; each follows a fetch and is made anew on what was fetched."""
PAUSE_SECONDS = 0.3
"""Upper end of the first pause between two tries; later ones grow with their number."""
TIMEOUT_SECONDS = 120
"""Time that one call of git may take."""
NOBODY = ("-c", "user.name=kuberec", "-c", "user.email=kuberec@localhost")
"""Who commits on a machine where git knows nobody, such as in a pod."""
# A checkout that is pushed to follows the push, unless it has changes of its own: git then refuses.
_UPDATE_CHECKOUT = "--receive-pack=git -c receive.denyCurrentBranch=updateInstead receive-pack"
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")
_BUSY = re.compile(r"cannot lock ref|\.lock\b")  # two pushes at the very same time
_OUTER = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


class Clone:
    """A clone with one branch checked out.

    Attributes:
        folder: Where its files are.
        branch: The branch's name.
    """

    def __init__(self, remote: str, folder: Path) -> None:
        """As `cloned` makes it."""
        self.folder = folder
        self._remote = remote
        self.branch = self.git("branch", "--show-current").strip()
        self._identity = () if self.answers("var", "GIT_COMMITTER_IDENT") else NOBODY

    def git(self, *words: str) -> str:
        """What a git command says.

        Raises:
            PromotionError: It fails, in git's words and without credentials.
        """
        return _run(["-C", str(self.folder), *words])

    def answers(self, *words: str) -> bool:
        """Whether a git command succeeds."""
        return _call(["-C", str(self.folder), *words]).returncode == 0

    def head(self) -> str:
        """Hash of the commit that is checked out."""
        return self.git("rev-parse", "HEAD").strip()

    def commit(self, message: str) -> bool:
        """Commit every change; False when there is none."""
        self.git("add", "--all")
        if self.answers("diff", "--cached", "--quiet"):
            return False
        self.git(*self._identity, "commit", "--quiet", "--cleanup=verbatim", f"--message={message}")
        return True

    def revert(self, commit: str) -> None:
        """Undo a commit in the files, without committing.

        Raises:
            PromotionError: Later commits changed the same lines.
        """
        if not self.answers("revert", "--no-commit", commit):
            raise PromotionError(
                f"Commit {commit[:12]} cannot be reverted: later commits changed the same lines. Nothing was changed. "
                "Promote the version that shall be served instead: kuberec promote --version N --label stable."
            )

    def push(self, branch: str) -> bool:
        """Push what was committed, never by force; False when the remote's branch moved on meanwhile.

        Raises:
            PromotionError: The remote refuses for another reason.
        """
        words = ["push", "--quiet", *_receive_pack(self._remote), "origin", f"HEAD:refs/heads/{branch}"]
        done = _call(["-C", str(self.folder), *words])
        if done.returncode == 0:
            return True
        # A push that is about to win has not always moved the branch yet.
        time.sleep(PAUSE_SECONDS)
        before = self._upstream()
        self.git("fetch", "--quiet", "origin")
        if self._upstream() != before or _BUSY.search(done.stderr):
            return False
        raise PromotionError(_refusal(done.stderr, self._remote))

    def start_over(self) -> None:
        """Forget every commit and change that is not on the remote."""
        self.git("reset", "--quiet", "--hard", f"origin/{self.branch}")
        self.git("clean", "--quiet", "--force", "-d", "-x")

    def has_remote_branch(self, branch: str) -> bool:
        """Whether the remote has such a branch now."""
        return bool(self.git("ls-remote", "--heads", "origin", f"refs/heads/{branch}").strip())

    def _upstream(self) -> str:
        return self.git("rev-parse", f"origin/{self.branch}")


@contextmanager
def cloned(remote: str, branch: str = "") -> Iterator[Clone]:
    """Clone a remote for the time of a block.

    Args:
        remote: A folder, a URL, or host:path, as `git clone` takes it.
        branch: The branch to check out; the remote's own default when empty.

    Raises:
        PromotionError: There is no git, no such remote or branch, or no right to read it.
    """
    with TemporaryDirectory(prefix="kuberec-git-") as folder:
        chosen = ["--branch", branch] if branch else []
        _run(["clone", "--quiet", "--single-branch", "--no-tags", *chosen, "--", remote, folder])
        yield Clone(remote, Path(folder))


def push_change(clone: Clone, change: Callable[[], str], branch: str) -> bool:
    """Make a change on the newest state of the remote and push it, as often as somebody else is faster.

    Args:
        clone: A fresh clone.
        change: Edits the files of the clone and returns the commit's message; called anew for each try.
        branch: The remote's branch to push to.

    Returns:
        False when the change changes nothing.

    Raises:
        PromotionError: The remote refuses, or others were faster every time.
    """
    for number in range(1, TRIES + 1):
        if not clone.commit(change()):
            return False
        if clone.push(branch):
            return True
        time.sleep(random.uniform(0, PAUSE_SECONDS * number))  # so that two who met do not meet again
        clone.start_over()
    raise PromotionError(
        f"Others pushed to {branch} during each of {TRIES} tries. Nothing was changed; run the command again."
    )


def redact(text: str) -> str:
    """The text without user names, passwords and tokens of URLs."""
    return _CREDENTIALS.sub("", text)


def _receive_pack(remote: str) -> list[str]:
    return [_UPDATE_CHECKOUT] if Path(remote).is_dir() else []


def _refusal(said: str, remote: str) -> str:
    if re.search("(unstaged|staged|untracked) changes|would be overwritten|not up.?to.?date", said, re.IGNORECASE):
        return (
            f"{redact(remote)} has changes that are not committed, which the push would have to touch. Nothing was "
            "changed. Commit or stash them, or push to a bare repository."
        )
    return (
        f"{redact(remote)} refuses the push: {_one_line(said)}. Nothing was changed there. Check that you may write to "
        "this branch, or ask for a review with --pull-request."
    )


def _run(words: list[str]) -> str:
    done = _call(words)
    if done.returncode:
        raise PromotionError(
            f"git failed: {_one_line(done.stderr)}. Check the remote's address and its branch, and that git may reach "
            "it without asking for a password."
        )
    return done.stdout


def _call(words: list[str]) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name not in _OUTER}
    # English words to look for, and no prompt: in a session of its own git has no terminal to ask on.
    environment |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    try:
        return subprocess.run(
            ["git", *words],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise PromotionError("git is not installed on this machine, and promotion needs it. Install git.") from None
    except subprocess.TimeoutExpired:
        # Its own message would hold the command line, and that the credentials of the URL.
        raise PromotionError(
            f"git did not end within {TIMEOUT_SECONDS} s. Check that the remote can be reached from this machine."
        ) from None


def _one_line(text: str) -> str:
    return redact(" ".join(text.split())).rstrip(".")
