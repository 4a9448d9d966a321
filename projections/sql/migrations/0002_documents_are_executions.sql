-- The executions view holds what the documents view held; it is rebuilt, being of a higher version.

delete from projections.projection where name = 'documents';
select projections.drop_schema('view_documents');
select projections.drop_schema('view_documents_rebuild');
select projections.drop_schema('view_documents_verify');
