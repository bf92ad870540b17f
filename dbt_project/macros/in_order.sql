{# Whether one moment is not before another, by whole seconds: whether a duration lies between them. #}
{% macro in_order(start, finish) -%}
    {{ whole_second(start) }} <= {{ whole_second(finish) }}
{%- endmacro %}
