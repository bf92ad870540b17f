{# What the user says that notes are whose `raw` does not tell: the variable assumed_note_visibility, or NULL. #}
{% macro assumed_visibility() -%}
    {%- set given = var('assumed_note_visibility') -%}
    {%- if given and given not in ('public', 'internal') -%}
        {{ exceptions.raise_compiler_error("Expected assumed_note_visibility to be public or internal, got " ~ given) }}
    {%- endif -%}
    {% if given %}'{{ given }}'{% else %}cast(null as {{ dbt.type_string() }}){% endif %}
{%- endmacro %}
