with signs as (

    select * from {{ ref('raw_signs') }}

)

select
    object,
    {{ lower_snake('integration_type') }} as integration_type,
    coalesce({{ blank_to_null('path') }}, '') as path,
    rtrim({{ lower_snake('value') }}, '*') as value,
    value like '%*' as is_beginning,
    sign,
    meaning,
    place
from signs
