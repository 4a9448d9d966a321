-- The pieces that a criterion is made of. `:column` stands for one of the columns that compile.py
-- names; `:value` and `:path` for a parameter. Nothing that a caller sent is ever part of the text.

-- name: always
true

-- name: never
false

-- name: not
(:inner) is not true

-- name: text_is
:column = :value::text

-- name: text_in
:column = any(:value::text[])

-- name: text_holds
strpos(:column, :value::text) > 0

-- name: text_greater
:column > :value::text

-- name: text_greater_or_equal
:column >= :value::text

-- name: text_less
:column < :value::text

-- name: text_less_or_equal
:column <= :value::text

-- name: instant_in
:column = any(:value::bigint[])

-- name: instant_greater
:column > :value::bigint

-- name: instant_greater_or_equal
:column >= :value::bigint

-- name: instant_less
:column < :value::bigint

-- name: instant_less_or_equal
:column <= :value::bigint

-- name: missing
:column is null

-- name: path_matches
:column @? :value::jsonpath

-- name: path_is
exists (select from jsonb_path_query(:column, :path::jsonpath) v where v = :value::jsonb)

-- name: path_holds
exists (select from jsonb_path_query(:column, :path::jsonpath) v where strpos(v #>> '{}', :value::text) > 0)
