with weights as (

    select * from {{ ref('triage_weights') }}

)

select
    {{ blank_to_null('reason') }} as reason,
    {{ whole_number_from_text(blank_to_null('weight')) }} as weight,
    {{ blank_to_null('weight') }} as weight_text
from weights
where {{ blank_to_null('concat(reason, weight)') }} is not null
