{# Joins each row to the numbers from 0 to the days that lie between two days, as a column of the same name as the alias:
   how many days later than the first each one is. #}
{% macro join_days_later(first_day, last_day, alias) -%}
    {{ return(adapter.dispatch('join_days_later', 'unified_ticketing')(first_day, last_day, alias)) }}
{%- endmacro %}

{% macro default__join_days_later(first_day, last_day, alias) -%}
    cross join lateral generate_series(0, {{ last_day }} - {{ first_day }}) as spine ({{ alias }})
{%- endmacro %}

{% macro duckdb__join_days_later(first_day, last_day, alias) -%}
    cross join unnest(range({{ last_day }} - {{ first_day }} + 1)) as spine ({{ alias }})
{%- endmacro %}
