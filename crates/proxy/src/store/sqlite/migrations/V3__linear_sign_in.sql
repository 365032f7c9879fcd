-- Which Linear organisation's members may sign in, and to which workspace.
CREATE TABLE linear_links (
    named        TEXT PRIMARY KEY, -- the organisation as the administrator named it: its id or its URL key
    organization TEXT UNIQUE,      -- its id, known from the first sign-in on: a URL key may change hands
    workspace    BLOB NOT NULL
) STRICT;

-- The members that signed in. Each has a row in tokens too, by which it is known.
CREATE TABLE linear_members (
    token        BLOB PRIMARY KEY,
    organization TEXT NOT NULL,
    secret       BLOB NOT NULL, -- sealed: a JSON list
    checked_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX linear_members_checked ON linear_members (checked_at);
