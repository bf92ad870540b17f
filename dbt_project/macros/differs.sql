{# Whether two values are not the same, where NULL is a value like any other. #}
{% macro differs(one, other) -%}
    coalesce({{ one }} <> {{ other }}, ({{ one }} is null) <> ({{ other }} is null))
{%- endmacro %}
