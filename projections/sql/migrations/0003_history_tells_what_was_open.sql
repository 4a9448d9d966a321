-- The history view tells what the spans view told; it is rebuilt, being of a higher version.

delete from projections.projection where name = 'spans';
select projections.drop_schema('view_spans');
select projections.drop_schema('view_spans_rebuild');
select projections.drop_schema('view_spans_verify');
