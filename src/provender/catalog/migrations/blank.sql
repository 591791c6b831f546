CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE teams (
	id VARCHAR NOT NULL, 
	CONSTRAINT pk_teams PRIMARY KEY (id)
);

CREATE TABLE people (
	id VARCHAR NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_people PRIMARY KEY (id)
);

CREATE TABLE domains (
	name VARCHAR NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_domains PRIMARY KEY (name)
);

CREATE TABLE tags (
	name VARCHAR NOT NULL, 
	protected BOOLEAN NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_tags PRIMARY KEY (name)
);

CREATE TABLE purposes (
	name VARCHAR NOT NULL, 
	description TEXT NOT NULL, 
	CONSTRAINT pk_purposes PRIMARY KEY (name)
);

CREATE TABLE rules (
	id VARCHAR NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_rules PRIMARY KEY (id)
);

CREATE TABLE repos (
	project VARCHAR NOT NULL, 
	number INTEGER NOT NULL, 
	digest VARCHAR NOT NULL, 
	recorded_at TEXT NOT NULL, 
	recorded_by VARCHAR NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_repos PRIMARY KEY (project, number)
);

CREATE TABLE serving_manifests (
	project VARCHAR NOT NULL, 
	number INTEGER NOT NULL, 
	digest VARCHAR NOT NULL, 
	recorded_at TEXT NOT NULL, 
	recorded_by VARCHAR NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_serving_manifests PRIMARY KEY (project, number)
);

CREATE TABLE training_sets (
	id VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	created_at TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_training_sets PRIMARY KEY (id)
);

CREATE INDEX ix_training_sets_project ON training_sets (project);

CREATE INDEX ix_training_sets_created_at ON training_sets (created_at);

CREATE TABLE audit_events (
	sequence BIGINT NOT NULL, 
	at TEXT NOT NULL, 
	actor VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	subject VARCHAR NOT NULL, 
	detail TEXT NOT NULL, 
	previous VARCHAR NOT NULL, 
	digest VARCHAR NOT NULL, request VARCHAR DEFAULT '' NOT NULL, 
	CONSTRAINT pk_audit_events PRIMARY KEY (sequence), 
	CONSTRAINT uq_audit_events_previous UNIQUE (previous)
);

CREATE INDEX ix_audit_events_actor ON audit_events (actor);

CREATE INDEX ix_audit_events_kind ON audit_events (kind);

CREATE INDEX ix_audit_events_subject ON audit_events (subject);

CREATE TABLE counters (
	name VARCHAR NOT NULL, 
	value BIGINT NOT NULL, 
	CONSTRAINT pk_counters PRIMARY KEY (name)
);

CREATE TABLE datasets (
	id INTEGER NOT NULL, 
	urn VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	domain VARCHAR NOT NULL, 
	revision INTEGER NOT NULL, 
	latest INTEGER, 
	scope INTEGER NOT NULL, 
	value TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	changed_at TEXT NOT NULL, 
	withdrawn_at TEXT, 
	CONSTRAINT pk_datasets PRIMARY KEY (id), 
	CONSTRAINT uq_datasets_urn UNIQUE (urn), 
	CONSTRAINT uq_datasets_name UNIQUE (name)
);

CREATE INDEX ix_datasets_domain ON datasets (domain);

CREATE INDEX ix_datasets_scope ON datasets (scope);

CREATE TABLE dataset_names (
	name VARCHAR NOT NULL, 
	dataset INTEGER NOT NULL, 
	since_at TEXT NOT NULL, 
	until_at TEXT, 
	CONSTRAINT pk_dataset_names PRIMARY KEY (name), 
	CONSTRAINT fk_dataset_names_dataset FOREIGN KEY(dataset) REFERENCES datasets (id)
);

CREATE INDEX ix_dataset_names_dataset ON dataset_names (dataset);

CREATE TABLE owners (
	dataset INTEGER NOT NULL, 
	actor VARCHAR NOT NULL, 
	role VARCHAR NOT NULL, 
	CONSTRAINT pk_owners PRIMARY KEY (dataset, actor, role), 
	CONSTRAINT fk_owners_dataset FOREIGN KEY(dataset) REFERENCES datasets (id)
);

CREATE INDEX ix_owners_actor ON owners (actor);

CREATE TABLE assignments (
	dataset INTEGER NOT NULL, 
	column_name VARCHAR NOT NULL, 
	tag VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	"by" VARCHAR NOT NULL, 
	at TEXT NOT NULL, 
	CONSTRAINT pk_assignments PRIMARY KEY (dataset, column_name, tag, value), 
	CONSTRAINT fk_assignments_dataset FOREIGN KEY(dataset) REFERENCES datasets (id)
);

CREATE INDEX ix_assignments_tag_dataset ON assignments (tag, dataset);

CREATE TABLE terms (
	name VARCHAR NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_terms PRIMARY KEY (name)
);

CREATE TABLE dataset_terms (
	dataset INTEGER NOT NULL, 
	column_name VARCHAR NOT NULL, 
	term VARCHAR NOT NULL, 
	CONSTRAINT pk_dataset_terms PRIMARY KEY (dataset, column_name, term), 
	CONSTRAINT fk_dataset_terms_dataset FOREIGN KEY(dataset) REFERENCES datasets (id)
);

CREATE INDEX ix_dataset_terms_term ON dataset_terms (term);

CREATE TABLE projects (
	name VARCHAR NOT NULL, 
	scope INTEGER NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_projects PRIMARY KEY (name)
);

CREATE TABLE versions (
	dataset INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	content VARCHAR NOT NULL, 
	published_at TEXT NOT NULL, 
	row_count BIGINT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	earliest TEXT, 
	latest TEXT, 
	value TEXT NOT NULL, state VARCHAR DEFAULT 'published' NOT NULL, severity VARCHAR DEFAULT 'warn' NOT NULL, state_reason TEXT DEFAULT '' NOT NULL, state_at TEXT, state_by VARCHAR DEFAULT '' NOT NULL, replacement INTEGER, run TEXT, data_gone_at TEXT, data_gone_why TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_versions PRIMARY KEY (dataset, number), 
	CONSTRAINT fk_versions_dataset FOREIGN KEY(dataset) REFERENCES datasets (id)
);

CREATE INDEX ix_versions_dataset_content ON versions (dataset, content);

CREATE TABLE grants (
	number INTEGER NOT NULL, 
	object_kind VARCHAR DEFAULT 'dataset' NOT NULL, 
	object VARCHAR DEFAULT '' NOT NULL, 
	dataset INTEGER, 
	grantee VARCHAR NOT NULL, 
	action VARCHAR NOT NULL, 
	whole BOOLEAN NOT NULL, 
	any_purpose BOOLEAN NOT NULL, 
	until TEXT, 
	revoked_at TEXT, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_grants PRIMARY KEY (number), 
	CONSTRAINT fk_grants_dataset FOREIGN KEY(dataset) REFERENCES datasets (id)
);

CREATE INDEX ix_grants_dataset ON grants (dataset);

CREATE INDEX ix_grants_grantee ON grants (grantee);

CREATE INDEX ix_versions_dataset_state_number ON versions (dataset, state, number);

CREATE TABLE profiles (
	dataset INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	column_name VARCHAR NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_profiles PRIMARY KEY (dataset, number, column_name), 
	CONSTRAINT fk_profiles_dataset_number FOREIGN KEY(dataset, number) REFERENCES versions (dataset, number)
);

CREATE TABLE version_checks (
	dataset INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	contract INTEGER, 
	name VARCHAR NOT NULL, 
	column_name VARCHAR NOT NULL, 
	outcome VARCHAR NOT NULL, 
	severity VARCHAR NOT NULL, 
	detail TEXT NOT NULL, 
	CONSTRAINT pk_version_checks PRIMARY KEY (dataset, number, position), 
	CONSTRAINT fk_version_checks_dataset_number FOREIGN KEY(dataset, number) REFERENCES versions (dataset, number)
);

CREATE TABLE representations (
	dataset INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	format VARCHAR NOT NULL, 
	manifest TEXT NOT NULL, 
	made_at TEXT NOT NULL, 
	made_by VARCHAR NOT NULL, 
	CONSTRAINT pk_representations PRIMARY KEY (dataset, number, format), 
	CONSTRAINT fk_representations_dataset_number FOREIGN KEY(dataset, number) REFERENCES versions (dataset, number)
);

CREATE TABLE contracts (
	id INTEGER NOT NULL, 
	dataset INTEGER NOT NULL, 
	raw BLOB NOT NULL, 
	sha256 VARCHAR NOT NULL, 
	contract_id VARCHAR NOT NULL, 
	contract_version VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	at TEXT NOT NULL, 
	"by" VARCHAR NOT NULL, 
	until_at TEXT, 
	CONSTRAINT pk_contracts PRIMARY KEY (id), 
	CONSTRAINT fk_contracts_dataset FOREIGN KEY(dataset) REFERENCES datasets (id)
);

CREATE INDEX ix_contracts_dataset ON contracts (dataset);

CREATE TABLE holds (
	id INTEGER NOT NULL, 
	dataset INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	"by" VARCHAR NOT NULL, 
	at TEXT NOT NULL, 
	until_at TEXT, 
	CONSTRAINT pk_holds PRIMARY KEY (id), 
	CONSTRAINT fk_holds_dataset FOREIGN KEY(dataset) REFERENCES datasets (id)
);

CREATE INDEX ix_holds_dataset ON holds (dataset);

CREATE TABLE retentions (
	dataset INTEGER NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_retentions PRIMARY KEY (dataset), 
	CONSTRAINT fk_retentions_dataset FOREIGN KEY(dataset) REFERENCES datasets (id)
);

CREATE TABLE consumption (
	dataset INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	consumer_kind VARCHAR NOT NULL, 
	consumer VARCHAR NOT NULL, 
	first_at TEXT NOT NULL, 
	last_at TEXT NOT NULL, 
	times INTEGER NOT NULL, 
	CONSTRAINT pk_consumption PRIMARY KEY (dataset, number, consumer_kind, consumer), 
	CONSTRAINT fk_consumption_dataset FOREIGN KEY(dataset) REFERENCES datasets (id)
);

CREATE INDEX ix_consumption_consumer ON consumption (consumer);

CREATE TABLE nodes (
	id INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	column_name VARCHAR NOT NULL, 
	dataset INTEGER, 
	scope INTEGER NOT NULL, 
	CONSTRAINT pk_nodes PRIMARY KEY (id), 
	CONSTRAINT uq_nodes_kind_name_column_name UNIQUE (kind, name, column_name)
);

CREATE INDEX ix_nodes_dataset ON nodes (dataset);

CREATE TABLE facts (
	id INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	CONSTRAINT pk_facts PRIMARY KEY (id), 
	CONSTRAINT uq_facts_name UNIQUE (name)
);

CREATE TABLE edges (
	upstream INTEGER NOT NULL, 
	downstream INTEGER NOT NULL, 
	fact INTEGER NOT NULL, 
	how SMALLINT NOT NULL, way SMALLINT DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_edges PRIMARY KEY (upstream, downstream, fact)
);

CREATE INDEX ix_edges_downstream_upstream ON edges (downstream, upstream);

CREATE INDEX ix_edges_fact ON edges (fact);

CREATE TABLE rests_on (
	node INTEGER NOT NULL, 
	dataset INTEGER NOT NULL, 
	CONSTRAINT pk_rests_on PRIMARY KEY (node, dataset)
);

CREATE INDEX ix_rests_on_dataset ON rests_on (dataset);

CREATE TABLE history (
	id BIGINT NOT NULL, 
	kind VARCHAR NOT NULL, 
	"key" VARCHAR NOT NULL, 
	from_sequence BIGINT NOT NULL, 
	from_at TEXT NOT NULL, 
	to_sequence BIGINT, 
	to_at TEXT, 
	value TEXT, 
	"by" VARCHAR NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_history PRIMARY KEY (id), 
	CONSTRAINT uq_history_kind_key_from_sequence UNIQUE (kind, "key", from_sequence)
);

CREATE INDEX ix_history_kind_from_at_to_at ON history (kind, from_at, to_at);

CREATE TABLE governed (
	kind VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	digest VARCHAR NOT NULL, 
	value TEXT NOT NULL, 
	applied_at TEXT NOT NULL, 
	applied_by VARCHAR NOT NULL, 
	CONSTRAINT pk_governed PRIMARY KEY (kind, name)
);

CREATE TABLE idempotency (
	actor VARCHAR NOT NULL, 
	"key" VARCHAR NOT NULL, 
	operation VARCHAR NOT NULL, 
	request_digest VARCHAR NOT NULL, 
	status INTEGER NOT NULL, 
	answer TEXT NOT NULL, 
	etag VARCHAR NOT NULL, 
	at TEXT NOT NULL, 
	until_at TEXT NOT NULL, 
	CONSTRAINT pk_idempotency PRIMARY KEY (actor, "key")
);

CREATE INDEX ix_idempotency_until_at ON idempotency (until_at);

CREATE TABLE search_documents (
	id INTEGER NOT NULL, 
	kind SMALLINT NOT NULL, 
	node INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	short_name VARCHAR NOT NULL, 
	scope INTEGER NOT NULL, 
	impact SMALLINT NOT NULL, 
	domain INTEGER NOT NULL, 
	project INTEGER NOT NULL, 
	owner INTEGER NOT NULL, 
	format INTEGER NOT NULL, 
	state SMALLINT NOT NULL, 
	fresh_until TEXT, 
	described BOOLEAN NOT NULL, 
	checked SMALLINT NOT NULL, 
	used INTEGER NOT NULL, 
	from_at TEXT NOT NULL, 
	CONSTRAINT pk_search_documents PRIMARY KEY (id)
);

CREATE TABLE search_texts (
	document INTEGER NOT NULL, 
	title TEXT NOT NULL, 
	columns TEXT NOT NULL, 
	body TEXT NOT NULL, 
	description TEXT NOT NULL, 
	CONSTRAINT pk_search_texts PRIMARY KEY (document), 
	CONSTRAINT fk_search_texts_document FOREIGN KEY(document) REFERENCES search_documents (id)
);

CREATE TABLE search_tags (
	tag INTEGER NOT NULL, 
	document INTEGER NOT NULL, 
	CONSTRAINT pk_search_tags PRIMARY KEY (tag, document), 
	CONSTRAINT fk_search_tags_document FOREIGN KEY(document) REFERENCES search_documents (id)
);

CREATE TABLE search_past (
	id INTEGER NOT NULL, 
	document INTEGER NOT NULL, 
	until_at TEXT NOT NULL, 
	title TEXT NOT NULL, 
	columns TEXT NOT NULL, 
	body TEXT NOT NULL, 
	description TEXT NOT NULL, 
	kind SMALLINT NOT NULL, 
	node INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	short_name VARCHAR NOT NULL, 
	scope INTEGER NOT NULL, 
	impact SMALLINT NOT NULL, 
	domain INTEGER NOT NULL, 
	project INTEGER NOT NULL, 
	owner INTEGER NOT NULL, 
	format INTEGER NOT NULL, 
	state SMALLINT NOT NULL, 
	fresh_until TEXT, 
	described BOOLEAN NOT NULL, 
	checked SMALLINT NOT NULL, 
	used INTEGER NOT NULL, 
	from_at TEXT NOT NULL, 
	CONSTRAINT pk_search_past PRIMARY KEY (id)
);

CREATE INDEX ix_search_past_document ON search_past (document);

CREATE INDEX ix_search_past_until_at ON search_past (until_at);

CREATE INDEX ix_search_documents_node ON search_documents (node);

CREATE INDEX ix_search_documents_name ON search_documents (name);

CREATE INDEX ix_search_documents_short_name ON search_documents (short_name);

CREATE INDEX ix_search_past_node ON search_past (node);

CREATE INDEX ix_search_past_name ON search_past (name);

CREATE INDEX ix_search_past_short_name ON search_past (short_name);

CREATE TABLE search_words (
	id INTEGER NOT NULL, 
	word VARCHAR NOT NULL, 
	stem VARCHAR NOT NULL, 
	documents INTEGER NOT NULL, 
	CONSTRAINT pk_search_words PRIMARY KEY (id), 
	CONSTRAINT uq_search_words_word UNIQUE (word)
);

CREATE INDEX ix_search_words_stem ON search_words (stem);

CREATE TABLE search_stubs (
	stub VARCHAR NOT NULL, 
	word INTEGER NOT NULL, 
	CONSTRAINT pk_search_stubs PRIMARY KEY (stub, word), 
	CONSTRAINT fk_search_stubs_word FOREIGN KEY(word) REFERENCES search_words (id)
);

CREATE INDEX ix_search_stubs_word ON search_stubs (word);

CREATE TABLE synonyms (
	word VARCHAR NOT NULL, 
	means VARCHAR NOT NULL, 
	term VARCHAR NOT NULL, 
	CONSTRAINT pk_synonyms PRIMARY KEY (word, means, term)
);

CREATE TABLE unanswered (
	words VARCHAR NOT NULL, 
	times INTEGER NOT NULL, 
	first_at TEXT NOT NULL, 
	last_at TEXT NOT NULL, 
	settled_at TEXT, 
	settled_by VARCHAR NOT NULL, 
	CONSTRAINT pk_unanswered PRIMARY KEY (words)
);

CREATE TABLE scopes (
	id INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	CONSTRAINT pk_scopes PRIMARY KEY (id), 
	CONSTRAINT uq_scopes_key UNIQUE ("key")
);

CREATE TABLE facet_values (
	id INTEGER NOT NULL, 
	facet SMALLINT NOT NULL, 
	value VARCHAR NOT NULL, 
	CONSTRAINT pk_facet_values PRIMARY KEY (id), 
	CONSTRAINT uq_facet_values_facet_value UNIQUE (facet, value)
);

CREATE TABLE facet_counts (
	scope INTEGER NOT NULL, 
	facet SMALLINT NOT NULL, 
	value INTEGER NOT NULL, 
	documents INTEGER NOT NULL, 
	CONSTRAINT pk_facet_counts PRIMARY KEY (scope, facet, value)
);

CREATE VIRTUAL TABLE search_index USING fts5(title, columns, body, tokenize = 'unicode61', detail = column, columnsize = 0);

CREATE VIRTUAL TABLE search_past_index USING fts5(title, columns, body, tokenize = 'unicode61', detail = column, columnsize = 0);

CREATE TABLE past_rests_on (
	past INTEGER NOT NULL, 
	dataset INTEGER NOT NULL, 
	CONSTRAINT pk_past_rests_on PRIMARY KEY (past, dataset), 
	CONSTRAINT fk_past_rests_on_past FOREIGN KEY(past) REFERENCES search_past (id)
);

CREATE INDEX ix_versions_quarantined ON versions (dataset, number) WHERE state = 'quarantined';

CREATE INDEX ix_search_documents_impact ON search_documents (impact, id);

CREATE INDEX ix_search_tags_document_tag ON search_tags (document, tag);

CREATE TABLE audit_checkpoints (
	size BIGINT NOT NULL, 
	root VARCHAR NOT NULL, 
	head VARCHAR NOT NULL, 
	at TEXT NOT NULL, 
	"key" VARCHAR NOT NULL, 
	signature VARCHAR NOT NULL, 
	peaks VARCHAR NOT NULL, 
	CONSTRAINT pk_audit_checkpoints PRIMARY KEY (size)
);

CREATE TABLE tokens (
	number INTEGER NOT NULL, 
	sealed VARCHAR NOT NULL, 
	actor VARCHAR NOT NULL, 
	name TEXT NOT NULL, 
	limits TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	created_by VARCHAR NOT NULL, 
	until TEXT NOT NULL, 
	revoked_at TEXT, 
	used_at TEXT, 
	replaces VARCHAR NOT NULL, 
	CONSTRAINT pk_tokens PRIMARY KEY (number), 
	CONSTRAINT uq_tokens_sealed UNIQUE (sealed)
);

CREATE INDEX ix_tokens_actor ON tokens (actor);

CREATE TABLE sessions (
	sealed VARCHAR NOT NULL, 
	actor VARCHAR NOT NULL, 
	identity TEXT NOT NULL, 
	began_at TEXT NOT NULL, 
	seen_at TEXT NOT NULL, 
	until TEXT NOT NULL, 
	CONSTRAINT pk_sessions PRIMARY KEY (sealed)
);

CREATE INDEX ix_sessions_actor ON sessions (actor);

CREATE INDEX ix_sessions_until ON sessions (until);

CREATE TABLE carried (
	node INTEGER NOT NULL, 
	tag VARCHAR NOT NULL, 
	distance INTEGER NOT NULL, 
	via INTEGER NOT NULL, 
	CONSTRAINT pk_carried PRIMARY KEY (node, tag)
);

CREATE INDEX ix_carried_via ON carried (via);

CREATE TABLE requests (
	number INTEGER NOT NULL, 
	requester VARCHAR NOT NULL, 
	grantee VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	lapses_at TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_requests PRIMARY KEY (number)
);

CREATE INDEX ix_requests_requester ON requests (requester);

CREATE INDEX ix_requests_grantee ON requests (grantee);

CREATE INDEX ix_requests_state_number ON requests (state, number);

CREATE TABLE requested_datasets (
	request INTEGER NOT NULL, 
	dataset INTEGER NOT NULL, 
	CONSTRAINT pk_requested_datasets PRIMARY KEY (request, dataset), 
	CONSTRAINT fk_requested_datasets_request FOREIGN KEY(request) REFERENCES requests (number), 
	CONSTRAINT fk_requested_datasets_dataset FOREIGN KEY(dataset) REFERENCES datasets (id)
);

CREATE INDEX ix_requested_datasets_dataset ON requested_datasets (dataset);

CREATE TABLE break_glass (
	number INTEGER NOT NULL, 
	actor VARCHAR NOT NULL, 
	dataset INTEGER NOT NULL, 
	review_by TEXT NOT NULL, 
	reviewed_at TEXT, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_break_glass PRIMARY KEY (number), 
	CONSTRAINT fk_break_glass_dataset FOREIGN KEY(dataset) REFERENCES datasets (id)
);

CREATE INDEX ix_break_glass_actor ON break_glass (actor);

CREATE INDEX ix_break_glass_dataset ON break_glass (dataset);

CREATE TABLE erasures (
	id VARCHAR NOT NULL, 
	position INTEGER NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_erasures PRIMARY KEY (id), 
	CONSTRAINT uq_erasures_position UNIQUE (position)
);

CREATE TABLE models (
	name VARCHAR NOT NULL, 
	number INTEGER NOT NULL, 
	training_set VARCHAR NOT NULL, 
	artifact VARCHAR NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_models PRIMARY KEY (name, number), 
	CONSTRAINT uq_models_name_training_set_artifact UNIQUE (name, training_set, artifact)
);

CREATE INDEX ix_models_training_set ON models (training_set);

INSERT INTO alembic_version ("version_num") VALUES ('0021');

INSERT INTO counters ("name", "value") VALUES ('carried_stale', 1);

INSERT INTO counters ("name", "value") VALUES ('dataset', 0);

INSERT INTO counters ("name", "value") VALUES ('fact', 0);

INSERT INTO counters ("name", "value") VALUES ('history', 0);

INSERT INTO counters ("name", "value") VALUES ('node', 0);

INSERT INTO counters ("name", "value") VALUES ('policy_epoch', 1);

INSERT INTO counters ("name", "value") VALUES ('search_stale', 1);

