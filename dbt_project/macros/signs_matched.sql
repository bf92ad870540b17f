{# A query of the signs that the `raw` of records shows: connection_id, record_id, sign, meaning, place, path, value and
   is_beginning. `records` is a CTE with connection_id, integration_type, record_id and raw. #}
{% macro signs_matched(object, records) -%}
    {%- set texts -%}
        (
            select
                records.connection_id,
                records.integration_type,
                records.record_id,
                paths.path,
                coalesce(
                    {{ json_text_at('records.raw', "paths.path || '.value'") }},
                    {{ json_text_at('records.raw', 'paths.path') }}
                ) as found_text
            from {{ records }} as records
            cross join (
                select distinct path
                from {{ ref('int_signs') }}
                where object = '{{ object }}'
            ) as paths
            where records.raw is not null
        )
    {%- endset -%}
    {{ signs_matched_in_texts(object, texts) }}
{%- endmacro %}

{# The same of texts that have been found: `texts` has connection_id, integration_type, record_id, path and
   found_text. #}
{% macro signs_matched_in_texts(object, texts) -%}
    select
        texts.connection_id,
        texts.record_id,
        signs.sign,
        coalesce(signs.meaning, texts.found_text) as meaning,
        signs.place,
        signs.integration_type is null as is_for_all,
        signs.path,
        signs.value,
        signs.is_beginning
    from {{ texts }} as texts
    inner join {{ ref('int_signs') }} as signs
        on
            texts.path = signs.path
            and signs.object = '{{ object }}'
            and coalesce(texts.integration_type = signs.integration_type, signs.integration_type is null)
            and (
                {{ lower_snake('texts.found_text') }} = signs.value
                or (signs.is_beginning and starts_with({{ lower_snake('texts.found_text') }}, signs.value))
            )
{%- endmacro %}
