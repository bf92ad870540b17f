{# Whether a value is what a change of ours has given: the one that the helpdesk took, or nothing in place of something. #}
{% macro was_given(value, taken, old) -%}
    coalesce({{ value }} = {{ taken }}, {{ value }} is null and {{ taken }} is null and {{ old }} is not null)
{%- endmacro %}
