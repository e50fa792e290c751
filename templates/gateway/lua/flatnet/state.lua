-- The state of a worker: the routes table in force, and the result of the last read of the file. Written by flatnet.watch only.
return {
    settings = nil,
    -- Replaced by one assignment, so that a request sees either the old or the new table.
    table = nil,
    -- The file of the table, "state/routes.json" or "state/routes.last-good.json", and the time of loading.
    source = nil,
    loaded = nil,
    -- Why the current file is not in force, and since when: {message, since}.
    problem = nil,
}
