-- The first schema. Times are milliseconds since 1970, UTC; booleans are 0 and 1.
-- Never edited after release: what comes later is a migration of its own.

-- What this database is, for ever.
CREATE TABLE mark (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Sums that pages and bounds ask for, kept so that nobody has to count.
CREATE TABLE total (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO total (name, value) VALUES
  ('deliveries', 0), ('held_rows', 0), ('held_bytes', 0), ('refusal_bytes', 0), ('strays', 0);

-- The push that was taken last, by both clocks; one row once there was one. Neither imported nor
-- held before: those say what the time was then, and to whom.
CREATE TABLE last_push (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  sent_at INTEGER NOT NULL,
  received_at INTEGER NOT NULL
) STRICT;

-- How far age has taken things away; one row. See retention/.
CREATE TABLE retained (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- No delivery that was received before has its message.
  messages_from INTEGER NOT NULL,
  -- What was received before may have been here and be forgotten.
  history_from INTEGER NOT NULL,
  -- Roll-ups that begin before hold more than their rows say.
  sums_from INTEGER NOT NULL
) STRICT;

INSERT INTO retained (id, messages_from, history_from, sums_from)
VALUES (1, -9223372036854775808, -9223372036854775808, -9223372036854775808);

-- Deliveries that are forgotten and whose events and messages are still to go; see retention/.
CREATE TABLE leftover (
  delivery INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE source (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  -- The path with a random token, of a source that was configured without one.
  generated_path TEXT,
  -- The numbers of its first and its newest delivery; kept here, since no index of deliveries by
  -- source is worth its room for that. NULL before the first. Age may have taken the first, never
  -- the newest.
  first_delivery INTEGER,
  newest_delivery INTEGER,
  -- The one that was received last, and when: the newest may be imported, or have been held for
  -- long. Age never takes it.
  latest_delivery INTEGER,
  latest_received_at INTEGER
) STRICT;

-- Let in beside the configuration: pinned with the first admitted push, or allowed by a person.
CREATE TABLE allowed_owner (
  source INTEGER NOT NULL REFERENCES source (id),
  owner TEXT NOT NULL,
  pinned INTEGER NOT NULL,
  allowed_at INTEGER NOT NULL,
  PRIMARY KEY (source, owner)
) STRICT, WITHOUT ROWID;

CREATE TABLE allowed_topic (
  source INTEGER NOT NULL REFERENCES source (id),
  topic TEXT NOT NULL,
  allowed_at INTEGER NOT NULL,
  PRIMARY KEY (source, topic)
) STRICT, WITHOUT ROWID;

CREATE TABLE certificate (
  url TEXT PRIMARY KEY,
  fetched_at INTEGER NOT NULL,
  bytes BLOB NOT NULL
) STRICT;

-- One row for each distinct message that was let in. Kept as long as history.
CREATE TABLE delivery (
  id INTEGER PRIMARY KEY,
  -- 16 bytes that stand for (owner, region, topic, message id); see append.rs.
  key BLOB NOT NULL UNIQUE,
  source INTEGER NOT NULL REFERENCES source (id),
  -- Empty where nothing named them, here and in `job`.
  owner TEXT NOT NULL,
  region TEXT NOT NULL,
  topic TEXT NOT NULL,
  subscriber TEXT,
  subscription TEXT,
  message_id TEXT,
  tag TEXT,
  format TEXT NOT NULL,
  published_at INTEGER,
  received_at INTEGER NOT NULL,
  duplicates INTEGER NOT NULL DEFAULT 0,
  last_duplicate_at INTEGER,
  differs INTEGER NOT NULL DEFAULT 0,
  md5_mismatch INTEGER NOT NULL,
  message_sha256 BLOB NOT NULL,
  body_bytes INTEGER NOT NULL,
  unrecognized TEXT
) STRICT;

CREATE INDEX delivery_by_time ON delivery (received_at);

CREATE TRIGGER delivery_added AFTER INSERT ON delivery BEGIN
  UPDATE source
  SET first_delivery = COALESCE(first_delivery, NEW.id), newest_delivery = NEW.id,
    latest_delivery = IIF(
      NEW.received_at >= COALESCE(latest_received_at, NEW.received_at), NEW.id, latest_delivery
    ),
    latest_received_at = MAX(COALESCE(latest_received_at, NEW.received_at), NEW.received_at)
  WHERE id = NEW.source;
END;

-- The rare ones, which are looked for by themselves.
CREATE INDEX delivery_unrecognized ON delivery (received_at) WHERE unrecognized IS NOT NULL;
CREATE INDEX delivery_differs ON delivery (received_at) WHERE differs = 1;
CREATE INDEX delivery_repeated ON delivery (received_at) WHERE duplicates > 0;

-- The push as it came: request line and headers, and body. Apart from `delivery`, so that counting
-- a duplicate does not rewrite a body, lists do not read past it, and age can empty it.
CREATE TABLE delivery_capture (
  -- Its delivery is there, or its number is in `leftover`.
  delivery INTEGER PRIMARY KEY,
  -- See packed/.
  push BLOB NOT NULL
) STRICT;

-- What the messages say, one row for each event. What the envelope adds stands in `delivery`.
CREATE TABLE event (
  id INTEGER PRIMARY KEY,
  -- It is there, or its number is in `leftover`: events are read together with their delivery.
  delivery INTEGER NOT NULL,
  -- The event's place in its message, from 0.
  position INTEGER NOT NULL,
  kind TEXT NOT NULL,
  -- The row of the job it is about: a job's event, or an activity's that names one. See numbers.rs.
  job INTEGER,
  -- The row of the run it is about or belongs to.
  run INTEGER,
  state TEXT,
  terminal INTEGER NOT NULL,
  -- When it happened by the message or the envelope, what it is folded by; NULL if neither says.
  ordered_at INTEGER,
  -- The same, else when it arrived.
  at INTEGER NOT NULL,
  at_from TEXT NOT NULL,
  -- The queue of a job's event, and the rule that named it, higher before lower.
  queue TEXT,
  queue_rule INTEGER NOT NULL,
  event TEXT NOT NULL,
  UNIQUE (delivery, position)
) STRICT;

-- With the delivery, so that retention finds what hangs together without reading events. By number
-- and not by id: ids are random, so that each event would touch a page of its own.
CREATE INDEX event_by_job ON event (job, terminal, ordered_at, delivery) WHERE job IS NOT NULL;
CREATE INDEX event_by_run ON event (run, terminal, ordered_at, delivery) WHERE run IS NOT NULL;
CREATE INDEX event_by_time ON event (at);
CREATE INDEX event_by_kind ON event (kind, at);

-- Folded from `event`; see fold.rs.
CREATE TABLE job (
  id INTEGER PRIMARY KEY,
  job TEXT NOT NULL,
  owner TEXT NOT NULL,
  region TEXT NOT NULL,
  queue TEXT,
  -- The run it is an activity of and that run's workflow; a job with a run has no queue.
  run TEXT,
  workflow TEXT,
  -- The names of its activity and workflow, to be found by.
  names TEXT NOT NULL,
  type TEXT,
  state TEXT NOT NULL,
  raw_state TEXT,
  code TEXT,
  error_group TEXT,
  message TEXT,
  user_data TEXT,
  input TEXT,
  submitted_at INTEGER,
  started_at INTEGER,
  finished_at INTEGER,
  duration_ms INTEGER,
  events INTEGER NOT NULL,
  -- Pushes that brought its events, duplicates counted.
  deliveries INTEGER NOT NULL,
  conflict INTEGER NOT NULL,
  last_event_at INTEGER NOT NULL,
  extra TEXT NOT NULL,
  UNIQUE (job, owner)
) STRICT;

-- Each ends with the rowid, so that a page goes on behind (last_event_at, id).
CREATE INDEX job_by_time ON job (last_event_at);
CREATE INDEX job_by_queue ON job (queue, region, last_event_at) WHERE queue IS NOT NULL;
-- Most jobs succeed: those are found by time.
CREATE INDEX job_by_state ON job (state, last_event_at) WHERE state <> 'succeeded';
CREATE INDEX job_by_type ON job (type, last_event_at);
-- With what else a failure is looked for by, so that no row is read which is not shown.
CREATE INDEX job_by_code ON job (code, last_event_at, id, queue, region, type)
  WHERE code IS NOT NULL;
CREATE INDEX job_by_workflow ON job (workflow, last_event_at) WHERE workflow IS NOT NULL;
CREATE INDEX job_by_run ON job (run, last_event_at) WHERE run IS NOT NULL;
CREATE INDEX job_failed ON job (queue, region, last_event_at, id, code)
  WHERE state = 'failed' AND queue IS NOT NULL;
CREATE INDEX job_in_conflict ON job (last_event_at) WHERE conflict = 1;

-- Folded from `event`; see fold_run.rs.
CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  run TEXT NOT NULL,
  owner TEXT NOT NULL,
  region TEXT NOT NULL,
  workflow TEXT,
  -- As its own messages call the workflow.
  workflow_name TEXT,
  media_id TEXT,
  input TEXT,
  user_data TEXT,
  -- Never `stale`, which is a matter of the time of reading.
  outcome TEXT NOT NULL,
  nothing_done INTEGER NOT NULL,
  raw_state TEXT,
  code TEXT,
  error_group TEXT,
  message TEXT,
  created_at INTEGER,
  finished_at INTEGER,
  duration_ms INTEGER,
  events INTEGER NOT NULL,
  -- Pushes that brought its events, duplicates counted.
  deliveries INTEGER NOT NULL,
  conflict INTEGER NOT NULL,
  -- Its Report message came, and its Start message did not.
  start_missing INTEGER NOT NULL,
  last_event_at INTEGER NOT NULL,
  extra TEXT NOT NULL,
  UNIQUE (run, owner)
) STRICT;

CREATE INDEX run_by_time ON run (last_event_at);
CREATE INDEX run_by_workflow ON run (workflow, last_event_at) WHERE workflow IS NOT NULL;
-- With what tells a run's lane and whether it is stale, so that no row is read which is not shown.
CREATE INDEX run_by_outcome
  ON run (outcome, last_event_at, id, workflow, owner, region, created_at);
CREATE INDEX run_by_media ON run (media_id, last_event_at) WHERE media_id IS NOT NULL;
-- The rare ones, which /completeness looks for by themselves.
CREATE INDEX run_start_missing ON run (last_event_at) WHERE start_missing = 1;
CREATE INDEX run_in_conflict ON run (last_event_at) WHERE conflict = 1;
-- By when they began, as far as that is known: what makes a run stale.
CREATE INDEX run_open ON run (workflow, owner, region, COALESCE(created_at, last_event_at))
  WHERE outcome = 'running';

-- The nodes of runs, folded with them.
CREATE TABLE activity (
  id INTEGER PRIMARY KEY,
  -- The row of its run, and that run's id.
  of_run INTEGER NOT NULL,
  run TEXT NOT NULL,
  owner TEXT NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  region TEXT NOT NULL,
  workflow TEXT,
  workflow_name TEXT,
  job TEXT,
  template_id TEXT,
  state TEXT NOT NULL,
  raw_state TEXT,
  code TEXT,
  error_group TEXT,
  message TEXT,
  started_at INTEGER,
  finished_at INTEGER,
  duration_ms INTEGER,
  conflict INTEGER NOT NULL,
  last_event_at INTEGER NOT NULL,
  extra TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX activity_by_run ON activity (of_run, name, type);

-- Most activities succeed, and a run brings many: what is not looked for by itself has no index.
CREATE INDEX activity_by_time ON activity (last_event_at);
CREATE INDEX activity_by_workflow ON activity (workflow, last_event_at)
  WHERE workflow IS NOT NULL;
CREATE INDEX activity_by_type ON activity (type, last_event_at);
CREATE INDEX activity_by_state ON activity (state, last_event_at) WHERE state <> 'succeeded';
CREATE INDEX activity_by_code ON activity (code, last_event_at) WHERE code IS NOT NULL;
CREATE INDEX activity_failed
  ON activity (workflow, last_event_at, id, code, owner, region, type)
  WHERE state = 'failed' AND workflow IS NOT NULL;

-- The words of jobs and runs that have some, by the number of their row; see words.rs. Contentless:
-- the text stands in the rows.
CREATE VIRTUAL TABLE job_words USING fts5 (
  words, content = '', contentless_delete = 1, tokenize = "unicode61 remove_diacritics 2"
);

CREATE VIRTUAL TABLE run_words USING fts5 (
  words, content = '', contentless_delete = 1, tokenize = "unicode61 remove_diacritics 2"
);

-- The same, word by word; they take no room.
CREATE VIRTUAL TABLE job_term USING fts5vocab(job_words, instance);
CREATE VIRTUAL TABLE run_term USING fts5vocab(run_words, instance);

-- What ended, summed by the minute (the last 8 days) and by the hour; see rollups.rs.
CREATE TABLE rollup_minute (
  at INTEGER NOT NULL,
  lane_kind TEXT NOT NULL,
  owner TEXT NOT NULL,
  region TEXT NOT NULL,
  lane TEXT NOT NULL,
  type TEXT NOT NULL,
  state TEXT NOT NULL,
  count INTEGER NOT NULL,
  known INTEGER NOT NULL,
  duration_sum_ms INTEGER NOT NULL,
  histogram BLOB NOT NULL,
  PRIMARY KEY (at, lane_kind, owner, region, lane, type, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_hour (
  at INTEGER NOT NULL,
  lane_kind TEXT NOT NULL,
  owner TEXT NOT NULL,
  region TEXT NOT NULL,
  lane TEXT NOT NULL,
  type TEXT NOT NULL,
  state TEXT NOT NULL,
  count INTEGER NOT NULL,
  known INTEGER NOT NULL,
  duration_sum_ms INTEGER NOT NULL,
  histogram BLOB NOT NULL,
  PRIMARY KEY (at, lane_kind, owner, region, lane, type, state)
) STRICT, WITHOUT ROWID;

-- The lanes that any job event ever named.
CREATE TABLE queue (
  name TEXT NOT NULL,
  region TEXT NOT NULL,
  last_event_at INTEGER NOT NULL,
  PRIMARY KEY (name, region)
) STRICT, WITHOUT ROWID;

CREATE INDEX queue_by_time ON queue (last_event_at);

-- The workflows that any run named.
CREATE TABLE workflow (
  owner TEXT NOT NULL,
  region TEXT NOT NULL,
  id TEXT NOT NULL,
  -- The newest name in a message, and when that was published (the least number if not known).
  name TEXT,
  named_at INTEGER NOT NULL,
  last_event_at INTEGER NOT NULL,
  PRIMARY KEY (owner, region, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX workflow_by_time ON workflow (last_event_at);

-- Believed, but not let in. AUTOINCREMENT, here and below, so that the number of a row that is
-- gone never names another one.
CREATE TABLE held (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  signature BLOB NOT NULL UNIQUE,
  -- 16 bytes that stand for what it says, whatever it is signed with; see held.rs.
  content BLOB NOT NULL UNIQUE,
  source INTEGER NOT NULL REFERENCES source (id),
  reason TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  owner TEXT,
  topic TEXT,
  message_id TEXT,
  repeats INTEGER NOT NULL DEFAULT 0,
  last_repeat_at INTEGER,
  body_bytes INTEGER NOT NULL,
  -- What the row counts against the bound.
  bytes INTEGER NOT NULL,
  explanation TEXT NOT NULL,
  head BLOB NOT NULL,
  body BLOB NOT NULL
) STRICT;

CREATE INDEX held_by_time ON held (received_at);
CREATE INDEX held_by_owner ON held (source, owner, topic);

CREATE TRIGGER held_added AFTER INSERT ON held BEGIN
  UPDATE total SET value = value + 1 WHERE name = 'held_rows';
  UPDATE total SET value = value + NEW.bytes WHERE name = 'held_bytes';
END;

CREATE TRIGGER held_removed AFTER DELETE ON held BEGIN
  UPDATE total SET value = value - 1 WHERE name = 'held_rows';
  UPDATE total SET value = value - OLD.bytes WHERE name = 'held_bytes';
END;

-- Here and in `refusal` nothing is asked of `source`: many notes are written at once, and one must
-- not be able to keep the others out.
CREATE TABLE refusal_count (
  source INTEGER NOT NULL,
  reason TEXT NOT NULL,
  count INTEGER NOT NULL,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  PRIMARY KEY (source, reason)
) STRICT, WITHOUT ROWID;

-- Not believed; the first and the latest few of each source and reason.
CREATE TABLE refusal (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  source INTEGER NOT NULL,
  reason TEXT NOT NULL,
  -- One of the first, which stay; the others make room for later ones.
  is_first INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  body_bytes INTEGER NOT NULL,
  -- What the row counts against the bound.
  bytes INTEGER NOT NULL,
  explanation TEXT NOT NULL,
  head BLOB NOT NULL,
  body BLOB NOT NULL
) STRICT;

CREATE INDEX refusal_by_time ON refusal (received_at);
CREATE INDEX refusal_by_reason ON refusal (source, reason, is_first);
CREATE INDEX refusal_latest ON refusal (is_first) WHERE is_first = 0;

CREATE TRIGGER refusal_added AFTER INSERT ON refusal BEGIN
  UPDATE total SET value = value + NEW.bytes WHERE name = 'refusal_bytes';
END;

CREATE TRIGGER refusal_removed AFTER DELETE ON refusal BEGIN
  UPDATE total SET value = value - OLD.bytes WHERE name = 'refusal_bytes';
END;

-- Pushes of SMQ's kind to a path of no source: the latest few.
CREATE TABLE stray (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  target TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  head BLOB NOT NULL
) STRICT;

-- What came by each source and hour (UTC), by when it came: kept with each push, so that nobody has
-- to count; see arrivals.rs. What goes by age is counted here all the same. Source 0 stands for the
-- paths of no source.
CREATE TABLE arrival_hour (
  source INTEGER NOT NULL,
  at INTEGER NOT NULL,
  stored INTEGER NOT NULL,
  -- Of those stored: another sink took them.
  imported INTEGER NOT NULL,
  duplicates INTEGER NOT NULL,
  -- Of those stored: nobody understands the message.
  unrecognized INTEGER NOT NULL,
  -- Of the duplicates: the message is another one, and was not kept.
  differs INTEGER NOT NULL,
  held INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  strays INTEGER NOT NULL,
  -- Answered 503.
  failed INTEGER NOT NULL,
  -- The newest that was stored or a duplicate; of no import.
  last_taken_at INTEGER,
  lag_max_ms INTEGER NOT NULL,
  -- From publishing to arrival, of those stored; buckets as in the roll-ups.
  lags BLOB NOT NULL,
  PRIMARY KEY (source, at)
) STRICT, WITHOUT ROWID;

-- When a server was there to take pushes: one row from each start to its end; see lifetimes.rs.
CREATE TABLE lifetime (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  started_at INTEGER NOT NULL,
  -- Written now and then while it runs.
  alive_at INTEGER NOT NULL,
  -- NULL while it runs, and for ever if it did not stop by itself.
  ended_at INTEGER,
  -- How late the latest push came soon after the start, if any was; see lifetimes.rs.
  late_ms INTEGER,
  version TEXT NOT NULL
) STRICT;
