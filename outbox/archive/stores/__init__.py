"""Where the chunks of an archive and their manifest are: a folder, an object store, or another MongoDB."""
