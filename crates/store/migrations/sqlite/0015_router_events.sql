-- How many events of workspaces each account has, so that nobody counts them to know which has too many.
CREATE TABLE task_router_events_kept (
    account_sid TEXT   NOT NULL PRIMARY KEY,
    kept        BIGINT NOT NULL
);
INSERT INTO task_router_events_kept SELECT account_sid, COUNT(*) FROM task_router_events GROUP BY account_sid;
-- By an expression, so that lists, which name the account too, go on being read from indexes with their order.
CREATE INDEX task_router_events_by_account ON task_router_events (account_sid || '', seq);
CREATE TRIGGER task_router_events_added AFTER INSERT ON task_router_events BEGIN
    INSERT INTO task_router_events_kept (account_sid, kept) VALUES (NEW.account_sid, 1)
        ON CONFLICT (account_sid) DO UPDATE SET kept = kept + 1;
END;
CREATE TRIGGER task_router_events_removed AFTER DELETE ON task_router_events BEGIN
    UPDATE task_router_events_kept SET kept = kept - 1 WHERE account_sid = OLD.account_sid;
END;
