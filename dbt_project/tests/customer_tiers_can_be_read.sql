{# The seed customer_tiers as a user may have edited it. #}
{% set problems -%}
with tiers as (

    select
        *,
        coalesce(tier, 'no tier') || ', ' || coalesce('tag ' || tag, 'any tag')
        || ', ' || coalesce('customer ' || customer_id, 'any customer')
        || ', ' || coalesce('connection ' || connection_id, 'any connection') as what
    from {{ ref('stg_seeds__customer_tiers') }}

)

select
    what,
    'a tier needs a name and a place' as problem
from tiers
where tier is null or place_text is null
union all
{{ misread_cells('tiers', whole_numbers=['place']) }}
union all
select
    min(what) as what,
    'these customers stand there more than once at the same place' as problem
from tiers
where tier is not null and place is not null
group by {{ lower_case('tag') }}, customer_id, connection_id, place
having count(*) > 1
{%- endset -%}
{{ refuse_problems('customer_tiers', problems) }}
