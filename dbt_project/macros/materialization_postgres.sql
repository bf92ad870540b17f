{# Postgres drops what stands upon a view or a table that is replaced. So neither is, as long as it keeps its columns: a
   view gets its query, a table the rows that are others now, and who reads them meanwhile sees those of before. #}

{% materialization view, adapter='postgres' %}
    {%- if keeps_its_columns('view', sql) -%}
        {%- set statement_sql -%}
            create or replace view {{ this }}
            {%- if config.get('contract').enforced %}{{ get_assert_columns_equivalent(sql) }}{% endif %}
            as (
                {{ sql }}
            )
        {%- endset -%}
        {{ return(change_in_place(statement_sql, 'view')) }}
    {%- endif -%}
    {{ return(materialization_view_default()) }}
{% endmaterialization %}

{% materialization table, adapter='postgres' %}
    {%- if keeps_its_columns('table', sql) -%}
        {%- set columns = get_quoted_csv(adapter.get_columns_in_relation(this) | map(attribute='name')) -%}
        {%- set new_rows = make_temp_relation(this) -%}
        {%- set old_rows = make_temp_relation(this, '__stored') -%}
        {%- set statement_sql -%}
            {%- if config.get('contract').enforced %}{{ get_assert_columns_equivalent(sql) }}{% endif %}
            create temporary table {{ new_rows }} on commit drop as
            with made as materialized (
                select {{ columns }} from (
                    {{ sql }}
                ) as shaped
            )
            select made.*, md5(cast(made as text)) as whole_row_hash from made;
            create temporary table {{ old_rows }} on commit drop as
            select stored.ctid as place_in_file, md5(cast(stored as text)) as whole_row_hash from {{ this }} as stored;
            delete from {{ this }}
            where ctid in (
                select place_in_file from {{ old_rows }} as stored
                where not exists (
                    select 1 from {{ new_rows }} as made where made.whole_row_hash = stored.whole_row_hash
                )
            );
            insert into {{ this }} ({{ columns }})
            select {{ columns }} from {{ new_rows }} as made
            where not exists (
                select 1 from {{ old_rows }} as stored where stored.whole_row_hash = made.whole_row_hash
            )
        {%- endset -%}
        {{ return(change_in_place(statement_sql, 'table')) }}
    {%- endif -%}
    {{ return(materialization_table_default()) }}
{% endmaterialization %}

{# Whether the relation is there and has the columns, by name, type and place, that it is to have. #}
{% macro keeps_its_columns(kind, sql) -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is none or existing.type != kind -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set draft = make_temp_relation(this, '__draft') -%}
    {%- if kind == 'table' and config.get('contract').enforced -%}
        {%- set draft_kind = 'table' -%}
        {%- do run_query('create temporary table ' ~ draft ~ get_table_columns_and_constraints()) -%}
    {%- else -%}
        {%- set draft_kind = 'view' -%}
        {%- do run_query('create temporary view ' ~ draft ~ ' as (' ~ sql ~ '\n)') -%}
    {%- endif -%}
    {%- set answer = run_query(
        'select ' ~ columns_of(draft.render()) ~ ' is not distinct from ' ~ columns_of(this.render()) ~ ' as is_same'
    ) -%}
    {%- do run_query('drop ' ~ draft_kind ~ ' ' ~ draft) -%}
    {{ return(answer.columns[0].values()[0]) }}
{%- endmacro %}

{% macro columns_of(relation) -%}
    (
        select array_agg(attname || ' ' || format_type(atttypid, atttypmod) order by attnum)
        from pg_attribute
        where attrelid = cast('{{ relation }}' as regclass) and attnum > 0 and not attisdropped
    )
{%- endmacro %}

{% macro change_in_place(statement_sql, kind) -%}
    {%- set relation = this.incorporate(type=kind) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') %}{{ statement_sql }}{% endcall %}
    {% do apply_grants(relation, config.get('grants'), should_revoke=True) %}
    {% do persist_docs(relation, model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [relation]}) }}
{%- endmacro %}
