"""The registry's tables, for SQLite and PostgreSQL."""

from typing import Final

from fairlead.storage import Step

STEPS: Final[tuple[Step, ...]] = (
    """
    CREATE TABLE adapters (
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        digest TEXT NOT NULL,
        base TEXT NOT NULL,
        base_digest TEXT NOT NULL,
        rank BIGINT NOT NULL,
        targets TEXT NOT NULL,           -- a JSON array
        data_digest TEXT NOT NULL,
        card TEXT NOT NULL,              -- a JSON object
        flags TEXT NOT NULL,             -- a JSON array
        size BIGINT NOT NULL,
        stage TEXT NOT NULL,
        share DOUBLE PRECISION NOT NULL, -- percent; of a canary
        stood BIGINT NOT NULL,           -- rises with each version that becomes stable
        condemned BIGINT NOT NULL,
        marked BIGINT NOT NULL,          -- the last outcome before it became a canary
        trial BIGINT NOT NULL,           -- the number of its time as a canary
        added_by TEXT NOT NULL,
        added_at TEXT NOT NULL,
        changed_at TEXT NOT NULL,
        removed_at TEXT,
        PRIMARY KEY (name, version)
    );
    CREATE UNIQUE INDEX adapter_stable ON adapters (name) WHERE stage = 'stable';
    CREATE UNIQUE INDEX adapter_canary ON adapters (name) WHERE stage = 'canary';
    CREATE INDEX adapter_digest ON adapters (digest);
    CREATE TABLE adapter_scores (
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        metric TEXT NOT NULL,
        value DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (name, version, metric)
    );
    CREATE TABLE adapter_approvals (
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        actor TEXT NOT NULL,
        digest TEXT NOT NULL,
        at TEXT NOT NULL,
        note TEXT NOT NULL,
        PRIMARY KEY (name, version, actor)
    );
    CREATE TABLE adapter_history (
        id BIGSERIAL PRIMARY KEY,
        at TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        action TEXT NOT NULL,
        actor TEXT NOT NULL,
        why TEXT NOT NULL,
        detail TEXT NOT NULL             -- a JSON object
    );
    CREATE INDEX adapter_history_name ON adapter_history (name, id);
    CREATE TABLE adapter_pins (
        tenant TEXT NOT NULL,
        name TEXT NOT NULL,
        thread TEXT NOT NULL,
        version BIGINT NOT NULL,
        used DOUBLE PRECISION NOT NULL,  -- seconds since 1970
        trial BIGINT NOT NULL,           -- that it drew lots in; 0 for none
        PRIMARY KEY (tenant, name, thread)
    );
    CREATE INDEX adapter_pins_used ON adapter_pins (name, version, used);
    CREATE TABLE adapter_outcomes (      -- of answers, and of feedback on them
        id BIGSERIAL PRIMARY KEY,
        at DOUBLE PRECISION NOT NULL,    -- seconds since 1970
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        trial BIGINT NOT NULL,           -- that its conversation drew lots in; 0 for none
        draw BIGINT NOT NULL,            -- tells conversations of a trial apart
        tenant TEXT NOT NULL,
        answer TEXT NOT NULL,
        error BIGINT,                    -- 0 or 1; NULL in a row of feedback
        ms DOUBLE PRECISION,
        ttft_ms DOUBLE PRECISION,
        input_tokens BIGINT,
        output_tokens BIGINT,
        bad_format BIGINT,               -- 0 or 1; NULL where nobody looked
        unverified BIGINT,
        down BIGINT                      -- 0 or 1; NULL in a row of an answer
    );
    CREATE INDEX adapter_outcomes_version ON adapter_outcomes (name, version, id);
    CREATE INDEX adapter_outcomes_trial ON adapter_outcomes (name, trial, id) WHERE trial > 0;
    CREATE INDEX adapter_outcomes_answer ON adapter_outcomes (tenant, answer);
    CREATE UNIQUE INDEX adapter_feedback ON adapter_outcomes (tenant, answer)
        WHERE down IS NOT NULL;
    """,
    {
        "sqlite": """
    CREATE TRIGGER adapter_history_kept BEFORE UPDATE ON adapter_history BEGIN
        SELECT RAISE(ABORT, 'the history is never changed');
    END;
    CREATE TRIGGER adapter_history_whole BEFORE DELETE ON adapter_history BEGIN
        SELECT RAISE(ABORT, 'the history is never changed');
    END;
    """,
        "postgresql": """
    CREATE FUNCTION adapter_history_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the history is never changed';
    END $$;
    CREATE TRIGGER adapter_history_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON adapter_history
        FOR EACH STATEMENT EXECUTE FUNCTION adapter_history_kept();
    """,
    },
)
