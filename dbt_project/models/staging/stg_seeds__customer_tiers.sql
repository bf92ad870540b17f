with tiers as (

    select * from {{ ref('customer_tiers') }}

)

select
    {{ blank_to_null('tier') }} as tier,
    {{ whole_number_from_text(blank_to_null('place')) }} as place,
    {{ blank_to_null('place') }} as place_text,
    {{ blank_to_null('tag') }} as tag,
    {{ blank_to_null('customer_id') }} as customer_id,
    {{ blank_to_null('connection_id') }} as connection_id
from tiers
where {{ blank_to_null('concat(tier, place, tag, customer_id, connection_id)') }} is not null
