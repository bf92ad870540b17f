{# A vendor's word as the warehouse writes enums: lower case, blanks and hyphens to underscores; NULL where blank. #}
{% macro lower_snake(expression) -%}
    {{ regex_replace_all(lower_case(blank_to_null(expression)), "[\\s\\v-]+", "'_'") }}
{%- endmacro %}
