-- What a worker knows: the table in force and how the last reading of the file went. Written by flatnet.watch only.
return {
    settings = nil,
    -- Replaced by one assignment, so a request sees the old table or the new one.
    table = nil,
    -- "state/routes.json" or "state/routes.last-good.json", whence the table came, and when.
    source = nil,
    loaded = nil,
    -- Why the file that is there now is not in force, and since when: {message, since}.
    problem = nil,
}
