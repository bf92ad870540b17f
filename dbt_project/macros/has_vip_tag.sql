{# Whether a JSON list has one of the tags of the variable vip_tags, case aside. #}
{% macro has_vip_tag(expression) -%}
    (
        {%- set tags = var('vip_tags') -%}
        {%- for tag in ([tags] if tags is string else tags) %}
        {{ 'or ' if not loop.first }}{{ json_list_has_text(expression, "'" ~ (tag | replace("'", "''")) ~ "'") }}
        {%- else %}
        false
        {%- endfor %}
    )
{%- endmacro %}
