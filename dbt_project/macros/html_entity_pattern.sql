{# An entity (a name's semicolon may be missing), or a stretch without one. #}
{% macro html_entity_pattern() -%}
    &(?:#[0-9]{1,9};|#[xX][0-9a-fA-F]{1,7};|[a-zA-Z][a-zA-Z0-9]{1,31};?)|[^&]+|&
{%- endmacro %}
