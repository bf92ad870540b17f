{# Whether a moment lies so far before what has been read that nothing of before it is still to come. #}
{% macro is_settled(moment, data_as_of) -%}
    coalesce({{ moment }} <= {{ data_as_of }} - {{ var('settle_seconds') }} * interval '1 second', false)
{%- endmacro %}
