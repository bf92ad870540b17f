with categories as (

    select
        connection_id,
        {{ comparable_text('category_name') }} as comparable_name,
        category_id,
        category_name
    from {{ ref('stg_unified__categories') }}
    where category_name is not null and not is_deleted

)

select
    connection_id,
    comparable_name,
    min(category_id) as category_id,
    min(category_name) as category_name
from categories
group by connection_id, comparable_name
having count(*) = 1
