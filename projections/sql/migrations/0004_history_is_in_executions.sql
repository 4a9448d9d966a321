-- The executions view tells what the history view told; it is rebuilt, being of a higher version.

delete from projections.projection where name = 'history';
select projections.drop_schema('view_history');
select projections.drop_schema('view_history_rebuild');
select projections.drop_schema('view_history_verify');
