{# Whether two timestamps lie at most so many seconds apart, whichever comes first; NULL where one is unknown. #}
{% macro is_within_seconds(one, other, seconds) -%}
    {{ return(adapter.dispatch('is_within_seconds', 'unified_ticketing')(one, other, seconds)) }}
{%- endmacro %}

{% macro default__is_within_seconds(one, other, seconds) -%}
    (
        {{ one }} >= {{ other }} - interval '{{ seconds }} seconds'
        and {{ one }} <= {{ other }} + interval '{{ seconds }} seconds'
    )
{%- endmacro %}
