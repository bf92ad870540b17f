{# Text in which each run of blanks and of these other characters, such as "\\t\\n", is one blank. A blank alone stays
   as it is: there are many, and each that is replaced takes time. #}
{% macro spaces_for(expression, characters) -%}
    {{ return(regex_replace_all(expression, "[ " ~ characters ~ "]{2,}|[" ~ characters ~ "]", "' '")) }}
{%- endmacro %}
