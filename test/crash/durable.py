# Whether the logged calls of a run would have survived a power cut: what is not synced may be lost, in any order.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import re

METRICS = "out/metrics.jsonl"
LAST = "out/trainer_state.json"


def parent(path):
    return path.rsplit("/", 1)[0] if "/" in path else "."


def is_final(path):
    """A name that a reader looks for."""
    return ".tmp-" not in path


class Disk:
    """Content and names that are written but not synced."""

    def __init__(self):
        self.files, self.made, self.gone = set(), set(), set()  # files; directories by what changed
        self.problems = []

    def below(self, path, names):
        return sorted(name for name in names if name == path or name.startswith(path + "/"))

    def sync(self, path):
        for names in (self.files, self.made, self.gone):
            names.discard(path)

    def rename(self, source, target):
        if is_final(target):
            for name in self.below(source, self.files | self.made):
                self.problems.append("%s gets its name before %s is synced" % (target, name))
            if target == LAST and "out" in self.made:
                self.problems.append("%s appears before the names of the other results are synced" % target)
            elif parent(target) == "out" and "checkpoint-" not in target and "out" in self.gone:
                self.problems.append("%s appears before the removal of %s is synced" % (target, LAST))
        elif is_final(source) and "out" in self.made:
            self.problems.append("%s is taken away before the newer one's name is synced" % source)
        for names in (self.files, self.made, self.gone):
            for name in self.below(source, names):
                names.discard(name)
                names.add(target + name[len(source):])
        self.made.add(parent(target))
        # A file that got a name within its directory is a change of that alone.
        if parent(source) != parent(target) or is_final(source):
            self.gone.add(parent(source))

    def remove(self, path):
        taken = re.match(r"out/\.checkpoint-\d+\.tmp-\d+-0", path)
        if taken and "out" in self.gone:
            self.problems.append("%s goes before its checkpoint has lost its name" % path)
        self.files.discard(path)
        self.made.discard(path)
        if is_final(path):
            self.gone.add(parent(path))

    def call(self, name, path, target):
        if path == METRICS:
            return
        if name == "rename":
            self.rename(path, target)
        elif name in ("mkdir", "open"):
            if name == "mkdir" and not is_final(path) and "out" in self.made:
                self.problems.append("%s begins before the name of the save before it is synced" % path)
            self.made.add(parent(path))
        elif name in ("write", "pwrite", "writev", "sendfile", "copy_file_range", "ftruncate"):
            self.files.add(path)
        elif name in ("fsync", "fdatasync"):
            self.sync(path)
        elif name in ("unlink", "unlinkat", "rmdir", "remove"):
            self.remove(path)


def problems(log):
    """Of all calls of a run that ended well."""
    disk = Disk()
    for line in log.splitlines():
        match = re.fullmatch(r"\d+ (\w+) (\S+)(?: -> (\S+))?", line)
        disk.call(*match.groups())
    left = [name for name in disk.files | disk.made if is_final(name)]
    return disk.problems + ["%s is never synced" % name for name in sorted(left)]
