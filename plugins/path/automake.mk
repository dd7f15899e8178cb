# plugins/path
