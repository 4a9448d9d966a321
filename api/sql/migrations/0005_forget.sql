-- What the ways in keep of executions is forgotten with them. Forward only.

-- Runs in the transaction of the erasure (see ledger/store/sql/migrations/0004_erase.sql). What a
-- consumer said of an event it could not handle may quote it. The tables of consumers come and go with
-- their own migrations, so they are looked for when it happens.
create function ways_in.forget() returns trigger language plpgsql as $$
begin
    if to_regclass('consumers.held') is not null then
        execute 'update consumers.held set reason = $1 where stream = $2 and reason <> $1'
            using '', new.stream;
    end if;
    return null;
end $$;

create trigger ways_in_forget after insert on ledger.erasures
    for each row execute function ways_in.forget();
