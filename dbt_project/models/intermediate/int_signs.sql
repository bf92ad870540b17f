{{ config(materialized='table') }}

with signs as (

    select
        *,
        coalesce(value like '%*', false) as is_beginning
    from {{ ref('stg_seeds__raw_signs') }}

)

select distinct
    object,
    integration_type,
    coalesce(path, '') as path,
    case when is_beginning then left(value, length(value) - 1) else value end as value,
    is_beginning,
    sign,
    meaning,
    place
from signs
