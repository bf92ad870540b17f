{# Before a model: what a warehouse has to be told so that it plans for many rows. Postgres knows nothing of tables that
   are a second old, nor of what a CTE brings, takes both for small, and goes through them row by row. DuckDB, too, may
   take the left side of an asof join for small, and then compares it with all of the right side. #}
{% macro plan_for_many_rows() -%}
    {{ return(adapter.dispatch('plan_for_many_rows', 'unified_ticketing')()) }}
{%- endmacro %}

{% macro default__plan_for_many_rows() -%}
{%- endmacro %}

{% macro duckdb__plan_for_many_rows() -%}
    set asof_loop_join_threshold = 0
{%- endmacro %}

{% macro postgres__plan_for_many_rows() -%}
    set local enable_nestloop = off;
    set local enable_mergejoin = off;
    set local jit = off
{%- endmacro %}

{# After a table: its statistics, for those who read it. Of one that a build adds to they are gathered when there are
   none yet, or when it takes a tenth more room than it did when they were gathered. #}
{% macro gather_statistics() -%}
    {{ return(adapter.dispatch('gather_statistics', 'unified_ticketing')()) }}
{%- endmacro %}

{% macro default__gather_statistics() -%}
{%- endmacro %}

{% macro postgres__gather_statistics() -%}
    {%- set kind = config.get('materialized') -%}
    {%- if execute and (kind == 'table' or (kind == 'incremental' and lacks_statistics())) -%}
        analyze {{ this }}
    {%- endif -%}
{%- endmacro %}

{% macro lacks_statistics() -%}
    {%- set answer = run_query(
        "select "
        ~ "    not exists (select 1 from pg_stats where schemaname = '" ~ this.schema ~ "' and tablename = '" ~ this.name ~ "')"
        ~ "    or ("
        ~ "        select pg_relation_size(oid) > 1.1 * relpages * cast(current_setting('block_size') as integer)"
        ~ "        from pg_class"
        ~ "        where oid = to_regclass('" ~ this ~ "')"
        ~ "    ) as is_due"
    ) -%}
    {{ return(answer.columns[0].values()[0]) }}
{%- endmacro %}
