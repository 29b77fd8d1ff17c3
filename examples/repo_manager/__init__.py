"""A small content manager: syncs folders into repositories, publishes them, verifies, removes what nobody needs.

Everything lies in one folder, ``REPO_MANAGER_HOME``::

    store/ab/abcdef…         content by its SHA-256; written once, never changed      store.py
    store/incoming/          content on its way in; left-overs of killed tasks
    repos/NAME/000001.json   a version of a repository: path → digest and size        repository.py
    published/NAME.json      the index of a distribution: one version, made public    publish.py

``documents.py`` writes those JSON files, ``tasks.py`` makes the functions tasks and says which resources they touch,
``python_install.py`` cuts this machine's Python installation into repositories, ``__main__.py`` is the command line.

Every write is a rename of a finished file, so a task killed at any moment leaves nothing half-written, and running it
again finishes the job. Content is not flushed to the disk file by file; after a power loss ``verify`` tells what is
bad, and the next ``sync`` writes again whatever has the wrong size.
"""
