"""What is served is a file in Git: `manifests/overlays/<environment>/version.yaml`.

git.py            a clone of any remote in a temporary folder: commit, push, and again when somebody was faster
versions.py       version.yaml: the versions that are served, the labels on them, and how both move
record.py         what a promotion leaves behind: its commit message, its page, and both read back
promotion.py      promote, roll back, tell the history
models_config.py  what is served → the `models.config` of a model server, by steps that the server takes
copies.py         the versions on the server's machine, copied from the model repository, whole or not there
sync.py           follows a version.yaml: copies, writes the config, deletes what nothing serves any more

Git is the `git` of the machine, so that every remote, key and credential helper that works there works here.
"""
