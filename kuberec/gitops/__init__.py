"""What is served is a file in Git: `manifests/overlays/<environment>/version.yaml`.

git.py        a clone of any remote in a temporary folder: commit, push, and again when somebody was faster
versions.py   version.yaml: the versions that are served, the labels on them, and how both move
record.py     what a promotion leaves behind: its commit message, its page, and both read back
promotion.py  promote, roll back, tell the history
follow.py     version.yaml → the `models.config` of a model server, by steps that the server takes

Git is the `git` of the machine, so that every remote, key and credential helper that works there works here.
"""
