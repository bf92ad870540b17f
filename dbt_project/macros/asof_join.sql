{# Joins each row to the last row of `relation` whose `ordered_by` is not above `value` (or below it, if `strictly`)
   among those where the columns in `equal` are the same: a dictionary of the relation's column to an expression. #}
{% macro asof_join(relation, alias, equal, ordered_by, value, strictly=false) -%}
    {{ return(adapter.dispatch('asof_join', 'unified_ticketing')(relation, alias, equal, ordered_by, value, strictly)) }}
{%- endmacro %}

{% macro default__asof_join(relation, alias, equal, ordered_by, value, strictly) -%}
    left join lateral (
        select candidates.*
        from {{ relation }} as candidates
        where
            candidates.{{ ordered_by }} {{ '<' if strictly else '<=' }} {{ value }}
            {%- for column, expression in equal.items() %}
            and candidates.{{ column }} = {{ expression }}
            {%- endfor %}
        order by candidates.{{ ordered_by }} desc
        limit 1
    ) as {{ alias }} on true
{%- endmacro %}

{% macro duckdb__asof_join(relation, alias, equal, ordered_by, value, strictly) -%}
    asof left join {{ relation }} as {{ alias }}
        on
            {%- for column, expression in equal.items() %}
            {{ expression }} = {{ alias }}.{{ column }} and
            {%- endfor %}
            {{ value }} {{ '>' if strictly else '>=' }} {{ alias }}.{{ ordered_by }}
{%- endmacro %}
